# SPDX-License-Identifier: MIT
# The part of Stack that talks to B's endpoints: histories go in, jobs are watched until they have come to where a test wants them. Methods of Stack.
package Stack;
use strict;
use warnings;

our $CHAT = '/api/v1/chat/message';
our $JOBS = '/api/v1/chat/jobs';

# "u text" is what the customer said, "b text" what the bot said, in order: the markup of that. Text is written as it is.
sub history {
    return join '', map { my ($side, $text) = /^([ub]) (.*)\z/s or die "no part: $_"; $side = $side eq 'u' ? 'USER' : 'BOT'; "<$side>$text</$side><br>" } @_;
}

# Milliseconds of a delay in which something else is to happen: stretched on a slow machine, but not so far that the test takes for ever.
sub delay_ms {
    my $seconds = shift;
    my $bound = Stack::bound($seconds);
    return int 1000 * ($bound < 4 * $seconds ? $bound : 4 * $seconds);
}

# A request to B's endpoint for Stack::Client. `parts`: see history; text that begins with "<" is the markup itself.
sub chat_request {
    my ($self, $conversation, $parts, %o) = @_;
    my %request = (path => $CHAT, headers => {%{$self->platform_headers}, %{delete $o{headers} || {}}});
    $request{after} = delete $o{after} if exists $o{after};
    $request{json} = {(defined $conversation ? (conversation_id => $conversation) : ()),
        history => ref $parts ? history(@$parts) : $parts =~ /^</ ? $parts : history("u $parts"), %o};
    return \%request;
}

sub chat { my $self = shift; return $self->{client}->request(%{$self->chat_request(@_)}) }

# The answer of /jobs/<id> and what is behind it.
sub ask_job {
    my ($self, $id, $behind, %o) = @_;
    return $self->{client}->request(path => "$JOBS/$id" . ($behind // ''), headers => $self->platform_headers, %o);
}

# The job as it is now, {} when it cannot be had.
sub job { my ($self, $id) = @_; my $a = $self->ask_job($id); return $a->status == 200 ? $a->json : {} }

# The job once it is in one of these states, undef when that does not happen.
sub job_comes_to {
    my ($self, $id, $seconds, @states) = @_;
    my $last = {};
    my $job = Stack::wait_for("job $id to be @states", $seconds, sub { $last = $self->job($id); (grep { ($last->{status} // '') eq $_ } @states) && $last });
    Test::More::diag('it is ' . Stack::Client->encode($last)) if !$job;
    return $job;
}

sub job_completes { my ($self, $id, $seconds) = @_; return $self->job_comes_to($id, $seconds // 30, 'completed') }
sub job_ends { my ($self, $id, $seconds) = @_; return $self->job_comes_to($id, $seconds // 30, qw(completed failed cancelled)) }

# What the AI was asked, of calls that were answered: the texts after the last reply, one list for each call. Wants {ai => {keep => true}}.
sub asked {
    my ($self, $conversation) = @_;
    my @all;
    for my $call (grep { $_->{status} == 200 } @{$self->ledger($conversation)->{ai}}) {
        my @texts;
        for (@{$call->{body}{messages}}) {
            if ($_->{role} eq 'assistant') { @texts = () }
            else                           { push @texts, $_->{content} }
        }
        push @all, \@texts;
    }
    return @all;
}

# Texts that the platform's replies answer, each with how often; from the double's own words in them.
sub answered_texts {
    my ($self, $conversation) = @_;
    my %times;
    for my $reply ($self->replies($conversation)) { $times{$_}++ for @{$reply->{ai_response}{entities}{texts}} }
    return \%times;
}

sub is_uuid { return ($_[0] // '') =~ /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\z/ }

# The dead letters of this conversation.
sub letters {
    my ($self, $conversation) = @_;
    my $answer = $self->admin('/api/v1/admin/queue/dead?limit=100');
    die 'dead letters: ' . $answer->text if $answer->status != 200;
    return grep { ($_->{conversation_id} // '') eq $conversation } @{$answer->json->{dead}};
}

# turnkeeperctl towards daemon n: exit code, and what it says.
sub turnkeeperctl {
    my ($self, $n, @command) = @_;
    my $pid = open(my $out, '-|') // die "fork: $!";
    if (!$pid) {
        %ENV = (PATH => $ENV{PATH}, TURNKEEPER_CONF => '/dev/null', ADMIN_SOCKET => $self->admin_socket($n));
        open STDERR, '>&', \*STDOUT or POSIX::_exit(126);
        { no warnings 'exec'; exec {"$Stack::build/turnkeeperctl"} 'turnkeeperctl', @command }
        POSIX::_exit(127);
    }
    my $text = do { local $/; <$out> } // '';
    close $out;
    return ($? >> 8, $text);
}

# Rows of the configuration, [kind, row]; the last one is a new bot. Returns when every process knows as many bots as there are.
sub configure_services {
    my ($self, @rows) = @_;
    for (@rows) {
        my $answer = $self->admin_post("/api/v1/admin/$_->[0]", $_->[1]);
        die "$_->[0]: " . $answer->text if $answer->status != 201 && $answer->status != 200;
    }
    my $want = @{$self->admin('/api/v1/admin/bots')->json->{bots}};
    my $known = sub {
        my ($log, $n) = @_;
        open my $fh, '<', $log or return -1;
        while (<$fh>) { $n = $1 if /bots are as the database has them now","bots":(\d+)/ }
        return $n // 0;
    };
    Stack::wait_for('every process to read it', 15, sub { !grep { $known->($_->{log}) != $want } $self->responders, $self->daemons }) or die 'services: not read';
    return;
}

1;
