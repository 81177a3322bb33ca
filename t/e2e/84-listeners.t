#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# Many who listen at once, over server-sent events and over WebSockets, with one responder and one daemon: every event of a session reaches each of its
# listeners once and in order, whoever is cut and comes back, whichever process ends and however, whatever becomes of Redis' connections. Who does not
# read is dropped and holds up nobody; and an idle listener costs little memory.
# LISTENERS=2000 (of each kind; the figures want it), SAYS=30 (messages a second), SECONDS=60.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use JSON::PP ();
use Test::More;
use Time::HiRes qw(sleep time);
use Stack;
use Stack::Crowd;
use Stack::Sessions;

my $full     = $ENV{LISTENERS} || 0;
my $MANY     = 1000; # from here on what one costs can be told
my $KIB_MOST = 32;   # resident, of an idle listener
my $DEAF     = 2;    # of each kind
my $HUGE     = 60_000;

my ($s, $crowd, %size, @before);

sub all_there { my $r = shift; return $r->{sse} == $size{listeners} && $r->{ws} == $size{listeners} }
sub quiet { my $r = shift; return all_there($r) && !$r->{behind} && !$r->{unbegun} }
sub memory { return map { Stack::Crowd::resident_kib($_->pid) } $s->responder(1), $s->daemon(1) }
sub cpu { return map { Stack::Crowd::cpu($_->pid) } $s->responder(1), $s->daemon(1) }

# What a listener of each kind has added to what was there before they came.
sub cost {
    my ($what) = @_;
    my @now = memory();
    my @each = map { ($now[$_] - $before[$_]) / $size{listeners} } 0, 1;
    diag(sprintf '%s: %.1f KiB of the responder, %.1f KiB of the daemon (%d and %d KiB without any)', $what, @each, @before);
    return if $size{listeners} < $MANY;
    cmp_ok($each[0], '<=', $KIB_MOST, "$what, server-sent events");
    cmp_ok($each[1], '<=', $KIB_MOST, "$what, WebSocket");
    return;
}

# ---- what is said ----

my %said; # session: {message_id: 1}

sub note_down { my ($session, $id) = @_; $said{$session}{$id} = 1; return $id }

# System messages: kept and shown, and nothing answers them.
sub announce {
    my ($text, @sessions) = @_;
    my @requests = map { $s->say_request($_, $text, sender_type => 'system', message_id => note_down($_, 'n' . keys %{$said{$_}})) } @sessions;
    my @wrong = grep { $_->status != 202 } map { $s->burst([splice @requests, 0, 40]) } 0 .. $#requests / 40;
    is(scalar(@wrong), 0, scalar(@sessions) . ' messages') or diag($wrong[0]->text);
    return;
}

# Messages through all three entrances, so many a second, in a process of their own. What is refused or lost is sent again, as a platform would.
# The code that it returns waits for the last; its value is how many could not be sent.
sub talk {
    my ($seconds, @sessions) = @_;
    my $n = $seconds * ($ENV{SAYS} || 30);
    my @requests = map {
        my $session = $sessions[$_ % @sessions];
        my %o = (after => $_ * $seconds / $n);
        $_ % 10 == 7 ? $s->message($session, note_down($session, "a$_"), "through A $_", %o)
            : $_ % 10 == 3 ? $s->chat_request($session, "through B $_", %o, resources => {user_id => 'somebody'})
            : $s->say_request($session, "through C $_", %o, message_id => note_down($session, "c$_"));
    } 1 .. $n;
    my $pid = open(my $from, '-|') // die "fork: $!";
    if (!$pid) {
        for my $round (1 .. 20) {
            my @answers = $s->burst(\@requests);
            my @again = map { $answers[$_]->status =~ /^20/ ? () : {%{$requests[$_]}, after => $_ / 1000} } 0 .. $#answers;
            @requests = @again;
            last if !@requests;
            sleep 0.5; # as the platform, which waits before it tries again
        }
        print scalar @requests;
        close STDOUT;
        POSIX::_exit(0);
    }
    return sub { my $left = <$from>; close $from; return $left };
}

# ---- they come, and nothing happens ----

sub arrival {
    $s->say('warm', 'everything has been used once', sender_type => 'system') for 1 .. 20;
    $s->session('warm');
    my $one = $s->listen_to('warm', after => 0);
    $s->hears($one, 'message');
    $one->hang_up;
    @before = memory();
    my $began = time;
    $crowd = Stack::Crowd->start($s, sse => $size{listeners}, ws => $size{listeners}, sessions => $size{sessions}, hot => 10, deaf => $DEAF, slow => 10,
        now => 10, pace => 50);
    ok($crowd->until('all of them', 120, \&all_there), "$size{listeners} of each kind are there") or return;
    note(sprintf 'after %.1f s', time - $began);
    cost('an idle listener');
    my $r = $crowd->report;
    is($r->{refused} + $r->{failed} + $r->{dropped}, 0, 'nobody had to try twice') or diag($crowd->brief);
    my @tickets = map { $s->ticket("s$_") } 0 .. ($size{sessions} > 20 ? 19 : $size{sessions} - 1);
    $crowd->tell('ticket', $_, $tickets[$_]) for 0 .. $#tickets;
    my @cpu = cpu();
    announce('the first word', $crowd->sessions);
    $r = $crowd->until('the first event', 60, sub { my $now = shift; !$now->{unbegun} && $now->{behind} <= 2 * $DEAF });
    ok($r, 'and all hear the first word') or return;
    my @spent = map { $_->[1] - $_->[0] } map { [$cpu[$_], (cpu())[$_]] } 0, 1;
    diag(sprintf 'an event to a listener: %.0f us of the responder, %.0f us of the daemon, messages and all', map { 1e6 * $_ / ($r->{events} / 2) } @spent);
    return 1;
}

# ---- some do not read ----

# Of the daemon, for not reading or, what the web server had room for being much, for not answering.
sub cut_by_daemon { open my $fh, '<', $s->daemon(1)->{log} or return 0; return scalar grep { /a WebSocket is cut/ } <$fh> }
sub descriptors { my @all = glob '/proc/' . $s->responder(1)->pid . '/fd/*'; return scalar @all }

# More than all buffers on the way hold. A stream that is not read is dropped after 30 s, which is waited for when there is time.
sub deaf {
    my $held = descriptors();
    for my $n (1 .. 10) { announce("$n " . 'x' x $HUGE, ($crowd->sessions)[(0) x 10]) }
    my $r = $crowd->until('the others', 120, sub { $_[0]{behind} <= 2 * $DEAF });
    ok($r, 'who reads hears all, beside those who do not') or return;
    is($r->{behind}, 2 * $DEAF, 'who do not');
    ok(wait_for('the daemon to lose patience', 60, sub { cut_by_daemon() == $DEAF }), 'WebSockets that are not read are cut');
    ok(wait_for('the responder to lose patience', 60, sub { descriptors() <= $held - $DEAF }), 'so are streams') if $full;
    $crowd->tell('wake');
    $r = $crowd->until('the deaf', 60, \&quiet);
    ok($r, 'once they read, they hear what they missed') or return;
    my $dropped = $full ? 2 * $DEAF : $DEAF;
    is($r->{dropped}, $dropped, "$dropped had to come back for that, and nobody else") or diag($crowd->brief);
    return 1;
}

# ---- everything happens ----

# Most are there again, and something has been heard since.
sub recovers {
    my ($what) = @_;
    my $heard = $crowd->report->{events};
    return ok($crowd->until($what, 90, sub {
        my $r = shift;
        return $r->{sse} > 0.8 * $size{listeners} && $r->{ws} > 0.8 * $size{listeners} && $r->{events} > $heard;
    }), "they listen on: $what");
}

sub restart {
    my ($kind, $signal) = @_;
    my $p = $s->{"${kind}1"};
    if ($signal eq 'KILL') { $p->kill9 }
    else {
        $p->signal($signal);
        ok($p->wait_end(bound(40)) && $p->status == 0, "the $kind goes when it is told to") or diag($p->status // 'it still runs');
    }
    $kind eq 'responder' ? $s->start_responder(1) : $s->start_daemon(1);
    recovers("the $kind was ended by $signal");
    return;
}

sub turmoil {
    my @redis = $s->{store} eq 'redis' ? map { my $type = $_; sub { $s->redis(qw(CLIENT KILL TYPE), $type); recovers("Redis' $type connections were cut") } } qw(pubsub normal) : ();
    my $wait = talk($size{seconds}, $crowd->sessions);
    $crowd->tell('chaos', $size{cuts});
    $_->() for (sub { recovers('they are cut and come back') }, $redis[0] // (), sub { restart('responder', 'TERM') }, sub { restart('daemon', 'TERM') }, $redis[1] // (),
        sub { restart('responder', 'KILL') }, sub { restart('daemon', 'KILL') }, sub { $crowd->tell('all'); recovers('all were cut at once') });
    is($wait->(), 0, 'all messages are accepted meanwhile');
    $crowd->tell('chaos', 0);
    ok(wait_for('the last job', 60, sub {
        return !grep { $s->session($_)->{last_message} && ($s->session($_)->{last_message}{sender_type} // '') eq 'user' } $crowd->sessions;
    }), 'all is answered');
    return;
}

# ---- what has become of it ----

# All events that the log has of a session, for one who comes now.
sub log_of {
    my ($session, $last) = @_;
    my $e = $s->listen_to($session, after => 0);
    wait_for("the log of $session", 30, sub { my @e = $e->events; @e && ($e[-1]{id} // 0) >= $last });
    my @all = $s->heard($e);
    $e->hang_up;
    return @all;
}

sub outcome {
    announce('the last word', $crowd->sessions);
    my $r = $crowd->until('the last word', 90, sub {
        my $now = shift;
        return quiet($now) && !grep { $_->{lowest} != $_->{highest} } @{$now->{sessions}};
    });
    ok($r, 'everybody hears the last word') or return;
    diag('in all ' . $crowd->brief);
    is($r->{$_}, 0, "none is $_") for qw(doubled missed out_of_order differing malformed);
    is($r->{resets}, 0, 'nobody has to read anew');
    cmp_ok($r->{reconnects}, '>=', 2 * $size{listeners}, 'everybody came back at least once');
    is(scalar(@{$r->{sessions}}), $size{sessions}, 'in all sessions');
    my (@short, @wrong);
    for my $session (@{$r->{sessions}}) {
        my @log = log_of($session->{id}, $session->{highest});
        push @short, $session->{id} if $log[-1]{seq} != $session->{highest} || ($log[-1]{content} // '') ne 'the last word';
        my %times;
        $times{$_->{message_id}}++ for grep { $_->{type} eq 'message' } @log;
        push @wrong, map { "$session->{id} $_" } grep { ($times{$_} // 0) != 1 } keys %{$said{$session->{id}}};
    }
    is("@short", '', 'they have all that there is');
    is("@wrong", '', 'and each message is told once');
    is(join('', $crowd->complaints), '', 'the listeners complain of nothing');
    cost('an idle listener after all of it');
    $crowd->end;
    return;
}

# ---- the runs ----

my @runs = $full ? (['redis', $full]) : (['redis', 150], ['sqlite', 100]);
for (@runs) {
    my ($store, $listeners) = @$_;
    subtest "$listeners and $listeners, $store" => sub {
        my $absent = missing('lighttpd', $store eq 'redis' ? qw(redis postgres) : ());
        plan skip_all => "$absent is not installed" if $absent;
        %said = ();
        %size = (listeners => $listeners, sessions => int($listeners / 10), seconds => $ENV{SECONDS} || ($full ? 60 : 10), cuts => $listeners / 8);
        # each stream or WebSocket takes two of the web server's, and one more while it is being replaced
        my $descriptors = 3 * 2 * $listeners + 1024;
        $s = Stack->start(store => $store, responders => 1, descriptors => $descriptors > 4096 ? $descriptors : 4096);
        subtest 'they come' => sub { arrival() } and subtest 'some do not read' => \&deaf and subtest 'turmoil' => \&turmoil and subtest 'outcome' => \&outcome;
        $s->end_well;
    };
}

done_testing;
