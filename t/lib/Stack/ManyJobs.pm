# SPDX-License-Identifier: MIT
# Jobs of POST /api/v1/chat/message from a test's side: histories in markup, requests, and what became of many jobs at once.
package Stack::ManyJobs;
use strict;
use warnings;
use Exporter qw(import);
use Test::More;
use Stack;

our @EXPORT = qw(history chat jobs_of wait_for_jobs file_lines beside);

# ['u', text] is a USER part, ['b', text] a BOT part. Texts are plain words.
sub history { return join '<br>', map { $_->[0] eq 'u' ? "<USER>$_->[1]</USER>" : "<BOT>$_->[1]</BOT>" } @_ }

# A request for Stack::Client. `after` goes to the request, everything else to resources.
sub chat {
    my ($s, $conversation, $parts, %resources) = @_;
    my %request = (path => '/api/v1/chat/message', headers => $s->platform_headers);
    $request{after} = delete $resources{after} if exists $resources{after};
    $request{json} = {conversation_id => $conversation, history => history(@$parts), resources => {user_id => "user_$conversation", %resources}};
    return \%request;
}

# {id => the job as GET shows it, or what was answered instead of it}.
sub jobs_of {
    my ($s, @ids) = @_;
    my @answers = $s->burst([map { {path => "/api/v1/chat/jobs/$_", headers => $s->platform_headers} } @ids], connections => 30);
    return map { $ids[$_] => $answers[$_]->status == 200 ? $answers[$_]->json : $answers[$_]->text } 0 .. $#ids;
}

sub _has_ended { my $job = shift; return ref $job eq 'HASH' && $job->{status} =~ /^(?:completed|failed|cancelled)$/ }

# The same as soon as all have ended, or when `seconds` have passed. Those that have ended are not asked for again.
sub wait_for_jobs {
    my ($s, $seconds, @ids) = @_;
    my %jobs;
    wait_for('the end of all jobs', $seconds, sub {
        my @open = grep { !_has_ended($jobs{$_}) } @ids;
        %jobs = (%jobs, jobs_of($s, @open)) if @open;
        @open = grep { !_has_ended($jobs{$_}) } @ids;
        return !@open;
    });
    return \%jobs;
}

# How many lines of all logs, or of those whose names match `of`, match.
sub file_lines {
    my ($s, $pattern, $of) = @_;
    my $n = 0;
    for my $log (glob "$s->{dir}/logs/*.log") {
        next if defined $of && $log !~ $of;
        open my $fh, '<', $log or next;
        while (<$fh>) { $n++ if /$pattern/ }
    }
    return $n;
}

# Runs the code beside the test; the code reference that is returned waits for what it returned.
sub beside {
    my $code = shift;
    my $pid = open(my $from_child, '-|') // die "fork: $!";
    if (!$pid) {
        print Stack::Client->encode($code->());
        close STDOUT;
        POSIX::_exit(0);
    }
    return sub {
        my $text = do { local $/; <$from_child> };
        close $from_child;
        return Stack::Client->decode($text) || BAIL_OUT('a sender has died');
    };
}

1;
