# SPDX-License-Identifier: MIT
# The part of Stack that plays Pancake: pages whose API is the double's (t/lib/double_pages.c), their customers and staff, and the webhooks that tell of
# them. Methods of Stack.
#
#   my $s = Stack->start_pages(store => 'redis', responders => 4, daemons => 2);
#   my $hook = $s->customer('c1', 'hello');                     # the message is there; its webhook, decoded
#   $s->deliver($hook)->status;                                 # once
#   $s->deliver_all([$hook, ...], times => 3, seed => 7);       # each three times, mixed, at the same time
#   wait_for('the reply', 10, sub { $s->page_replies('c1') == 1 });
package Stack;
use strict;
use warnings;
use Digest::SHA qw(hmac_sha256_hex);
use Stack::Client;
use Stack::Jobs;
use Test::More;

our $WEBHOOKS = '/webhooks/pancake';

# pages: their ids (p1, p2); double_pages: options of the double; more_secrets: those of webhooks beside {webhook_secret}; everything else as Stack->start.
# {page_tokens}, {webhook_secret}: what must stand in no log.
sub start_pages {
    my ($class, %o) = @_;
    my @pages = @{$o{pages} || [qw(p1 p2)]};
    my %tokens = map { $_ => "token-of-$_-" . _random() } @pages;
    my $secret = 'secret-' . _random();
    return $class->start(%o, pages => \@pages, page_tokens => \%tokens, webhook_secret => $secret,
        env => {
            PANCAKE_PROVIDER => 'pages_fm', PANCAKE_PAGE_TOKENS => join(',', map { "$_=$tokens{$_}" } sort keys %tokens), PANCAKE_WEBHOOK_SECRET => join(',', $secret, @{$o{more_secrets} || []}),
            %{$o{env} || {}}},
        double_ready => sub {
            my $self = shift;
            $self->pages(tokens => \%tokens, webhook_secret => $secret, %{$o{double_pages} || {}});
        });
}

# ---- the double ----

sub _ask_pages {
    my ($self, $path, $json) = @_;
    return $self->_double(path => "/pages/$path", defined $json ? (json => $json) : ());
}

# Options and rules (double_pages.c); the rules as they are then.
sub pages { my ($self, %script) = @_; return $self->_ask_pages('control', \%script)->{rules} }
# Rules, of which none is left from before. `used` tells later how often each was.
sub misbehave { my ($self, @rules) = @_; return $self->pages(forget_rules => \1, rules => \@rules) }
sub used { my $self = shift; return join ' ', map { $_->{used} } @{$self->pages} }

sub page_calls {
    my ($self, %of) = @_;
    return @{$self->_ask_pages('calls?' . join '&', map { "$_=" . segment_of($of{$_}) } sort keys %of)};
}
sub page_stats { my ($self, $page) = @_; return $self->_ask_pages('stats' . (defined $page ? '?page=' . segment_of($page) : '')) }
sub deliveries { return $_[0]->_ask_pages('deliveries') }

sub segment_of { my $id = shift; utf8::encode($id) if utf8::is_utf8($id); $id =~ s/([^A-Za-z0-9_.~-])/sprintf '%%%02X', ord $1/ge; return $id }

# What people see of a conversation: {id, who, text, at_us, reply_to}, oldest first.
sub seen {
    my ($self, $conversation) = @_;
    my $of = $self->_ask_pages('ledger?conversation_id=' . segment_of($conversation))->{$conversation};
    return $of ? @{$of->{messages}} : ();
}
sub page_replies { my ($self, $conversation) = @_; return grep { $_->{who} eq 'page' } $self->seen($conversation) }
# {message id => how many replies say that they answer it}, of all conversations or one: the double's AI names them.
sub answered_messages {
    my ($self, $conversation) = @_;
    my $all = $self->_ask_pages('ledger' . (defined $conversation ? '?conversation_id=' . segment_of($conversation) : ''));
    my %times;
    for my $m (grep { $_->{who} eq 'page' } map { @{$_->{messages}} } values %$all) { $times{$_}++ for $m->{text} =~ /\[(\S+?)\]/g }
    return \%times;
}

# ---- people ----

# say(messages => [...], times => N, ...): ids and webhooks of what was said (double_pages.c).
sub people_say { my ($self, %o) = @_; return $self->_ask_pages('say', \%o) }

sub _one {
    my ($self, $as, $conversation, $text, %o) = @_;
    return $self->people_say(messages => [{page => $self->{pages}[0], conversation_id => $conversation, as => $as, text => $text, %o}])->{webhooks}[0];
}
# The message is there; its webhook. page, type, post_id, attachments, id, ...
sub customer { my $self = shift; return $self->_one('customer', @_) }
sub staff    { my $self = shift; return $self->_one('staff', @_) }
sub edits    { my ($self, $conversation, $id, $text, %o) = @_; return $self->_one('customer', $conversation, $text, edit => $id, %o) }
sub removes  { my ($self, $conversation, $id, %o) = @_; return $self->_one('customer', $conversation, '', remove => $id, %o) }

sub hook_id { return $_[0]{data}{message}{id} }

# ---- webhooks ----

# A request for Stack::Client. auth: secret (default), signature, bearer, none; secret, token: other ones; page: another one in the path; body: other bytes.
sub webhook {
    my ($self, $hook, %o) = @_;
    my $auth = $o{auth} // 'secret';
    my $secret = $o{secret} // $self->{webhook_secret};
    my $body = $o{body} // Stack::Client->encode($hook);
    my %headers = ('Content-Type' => 'application/json', %{$o{headers} || {}});
    $headers{Authorization} = 'Bearer ' . ($o{token} // $self->{platform_token}) if $auth eq 'bearer';
    $headers{'X-Pancake-Signature'} = 'sha256=' . ($o{signature} // hmac_sha256_hex($body, $secret)) if $auth eq 'signature';
    my $page = $o{page} // $hook->{page_id};
    return {method => $o{method} // 'POST', path => "$WEBHOOKS/" . segment_of($page) . ($auth eq 'secret' ? '?secret=' . segment_of($secret) : ''),
        headers => \%headers, body => $body, exists $o{after} ? (after => $o{after}) : ()};
}
sub deliver { my $self = shift; return $self->{client}->request(%{$self->webhook(@_)}) }

# Each of them `times` (1) times, mixed by `seed` (not: in order), over `connections`; those that are refused for the moment again. The answers that were
# taken; fails for any other.
sub deliver_all {
    my ($self, $hooks, %o) = @_;
    my @requests = map { my $h = $_; map { $self->webhook($h) } 1 .. $o{times} // 1 } @$hooks;
    if (defined $o{seed}) {
        srand $o{seed};
        for (my $i = @requests; --$i > 0;) { my $k = int rand $i + 1; @requests[$i, $k] = @requests[$k, $i] }
    }
    my (@taken, @bad);
    for my $round (1 .. 6) {
        my @again;
        my @got = $self->burst(\@requests, connections => $o{connections} // 40);
        for my $i (0 .. $#got) {
            my $status = $got[$i]->status;
            if    ($status == 200) { push @taken, $got[$i] }
            elsif ($status == 503 && $round < 6) { push @again, $requests[$i] }
            else                   { push @bad, $got[$i] }
        }
        last if !@again;
        note(scalar(@again) . ' webhooks are refused for the moment');
        @requests = @again;
        Time::HiRes::sleep(0.3);
    }
    is(scalar @bad, 0, ($o{what} // 'the webhooks') . ': all are taken') or diag($bad[0]->text);
    return @taken;
}

# The same by the double itself: returns when none is under way.
sub deliveries_done {
    my ($self, $seconds) = @_;
    return wait_for('the webhooks', $seconds // 60, sub { my $d = $self->deliveries; !$d->{waiting} && $d });
}

# Nothing more is sent for so many seconds: "" or how many calls were made meanwhile; of those, `which`: sends (where daemons may sweep), reads, lists.
sub quiet {
    my ($self, $seconds, $which) = @_;
    $which //= 'calls';
    my $before = $self->page_stats->{$which};
    Time::HiRes::sleep($seconds);
    my $more = $self->page_stats->{$which} - $before;
    return $more ? "$more $which" : '';
}

# Daemons sweep each page when they start (97-pages-sweep.t). Returns when that is done: from then on whatever is read has another reason.
sub swept {
    my ($self, $seconds) = @_;
    for my $n (1 .. $self->{daemons}) {
        wait_for("the first sweeps of daemon $n", $seconds // 60, sub {
            my ($code, $said) = $self->turnkeeperctl($n, 'show', 'status', '--json');
            my ($status) = $code == 0 ? map { Stack::Client->decode($_) } $said =~ /^(\{.*\})$/m : ();
            return $status && $status->{pages} == @{$self->{pages}} && !$status->{pages_due} && !$status->{pages_sweeping};
        }) or return 0;
    }
    return 1;
}

# Lines of any log (of web servers too) in which a secret stands.
sub leaks {
    my ($self, @more) = @_;
    my @secrets = (values %{$self->{page_tokens}}, $self->{webhook_secret}, $self->{platform_token}, $self->{admin_token}, @more);
    my @found;
    for my $log (glob("$self->{dir}/logs/*"), glob("$self->{dir}/*.log")) {
        open my $fh, '<', $log or next;
        while (my $line = <$fh>) {
            for my $secret (@secrets) { push @found, "$log: $line" if index($line, $secret) >= 0 }
        }
    }
    return @found;
}

1;
