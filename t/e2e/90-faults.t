#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# Four responders and two daemons are killed with -9 at random, a hundred times altogether, while 5,000 messages of some hundreds of
# conversations go in. Judged by the platform's ledger and the archive: every acknowledged message is answered by exactly one reply, or it
# is known that nobody can know whether its reply arrived, which only a kill may cause; and the archive holds the acknowledged
# messages, no other, each once.
# SEED=n repeats a run's choices (not its timing). MESSAGES, KILLS, CONVERSATIONS change its size.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use Test::More;
use Time::HiRes qw(sleep time);
use Stack;

my $absent = missing(qw(lighttpd redis postgres));
plan skip_all => "$absent is not installed" if $absent;

my $SEED          = $ENV{SEED}          || time ^ $$;
my $MESSAGES      = $ENV{MESSAGES}      || 5000;
my $KILLS         = $ENV{KILLS}         || 100;
my $CONVERSATIONS = $ENV{CONVERSATIONS} || 300;
my $SECONDS       = $ENV{SECONDS}       || 45;
my $SENDERS = 2;
$SEED = int $SEED;
note("SEED=$SEED");
srand $SEED;

# ---- senders ----

# [second, conversation, id] in order of time: small bursts, so that messages meet running turns.
sub plan_messages {
    my (@plan, @count);
    while (@plan < $MESSAGES) {
        my ($at, $c) = (rand $SECONDS, int rand $CONVERSATIONS);
        for (0 .. int rand 4) { push @plan, [$at += rand 0.15, "f$c", "f${c}m" . ++$count[$c]] if @plan < $MESSAGES }
    }
    return sort { $a->[0] <=> $b->[0] } @plan;
}

# Sends its part at its time, beside the test, and each message again until it is acknowledged, as a platform does. The code
# reference that it returns gives {acknowledged => [ids], tries, refused => {what => how often}}.
sub sender {
    my ($s, @plan) = @_;
    my $pid = open(my $from_child, '-|') // die "fork: $!";
    if (!$pid) {
        my ($begin, $tries, @acknowledged, @again, %refused) = (time, 0);
        while (@plan || @again) {
            my $now = time - $begin;
            my @turn = splice @again;
            push @turn, shift @plan while @plan && $plan[0][0] < $now + 0.5;
            $tries += @turn;
            my @requests = map { $s->message($_->[1], $_->[2], undef, after => $_->[0] > $now ? $_->[0] - $now : 0) } @turn;
            my @answers = $s->burst(\@requests, connections => 60);
            for my $n (0 .. $#answers) {
                my $status = $answers[$n]->status;
                if ($status == 200 || $status == 202) { push @acknowledged, $turn[$n][2]; next }
                push @again, $turn[$n];
                $refused{$status || $answers[$n]->error}++;
            }
            sleep 0.05 if !@turn || @again;
        }
        print Stack::Client->encode({acknowledged => \@acknowledged, tries => $tries, refused => \%refused});
        close STDOUT;
        POSIX::_exit(0);
    }
    return sub {
        my $text = do { local $/; <$from_child> };
        close $from_child;
        return Stack::Client->decode($text) || BAIL_OUT('a sender has died');
    };
}

# ---- the one who kills ----

sub kill_at_random {
    my $s = shift;
    my %killed;
    for (1 .. $KILLS) {
        sleep((0.4 + rand 1.2) * $SECONDS / $KILLS * 0.9);
        my $n = int rand $s->{responders} + $s->{daemons};
        my $is_daemon = $n >= $s->{responders};
        my $which = $is_daemon ? $n - $s->{responders} + 1 : $n + 1;
        my $p = $is_daemon ? $s->daemon($which) : $s->responder($which);
        if (!$p->alive) {
            fail($p->name . ' has ended by itself');
            diag(sprintf 'wait status 0x%x', $p->status);
        }
        $p->kill9;
        $killed{$p->name}++;
        $is_daemon ? $s->start_daemon($which) : $s->start_responder($which);
    }
    return \%killed;
}

# ---- the judge ----

# {message id => 1} of those whose turn ended as unknown, says the archive.
sub unknown {
    my $s = shift;
    return {map { $_ => 1 } @{$s->psql_try("SELECT message_id FROM messages WHERE reason IN ('owner_lost', 'outcome_unknown')") || []}};
}

sub log_lines {
    my ($s, $pattern) = @_;
    my $n = 0;
    for my $log (glob "$s->{dir}/logs/*.log") {
        open my $fh, '<', $log or next;
        while (<$fh>) { $n++ if /$pattern/ }
    }
    return $n;
}

sub flat { my $covered = shift; return {map { %$_ } values %$covered} }

sub judge {
    my ($s, $acknowledged, $kills) = @_;
    my (%times, $unknown, @open);
    my $all = wait_for('the end of every message', 60, sub {
        %times = %{flat($s->covered_everywhere)};
        @open = grep { !$times{$_} } @$acknowledged;
        return 0 if @open > 200;
        $unknown = unknown($s);
        @open = grep { !$unknown->{$_} } @open;
        return !@open;
    });
    ok($all, 'no acknowledged message is without an end') or diag(scalar(@open) . ": @open[0 .. ($#open > 5 ? 5 : $#open)]");
    is(scalar(grep { $_ != 1 } values %times), 0, 'none is answered twice');
    my %acknowledged = map { $_ => 1 } @$acknowledged;
    is(scalar(grep { !$acknowledged{$_} } keys %times), 0, 'none is answered that was not acknowledged');

    my $stats = $s->double_stats;
    is($stats->{duplicate_keys}, 0, 'no turn was sent twice');
    is($stats->{fence_regressions}, 0, 'no fence went back');

    ok(wait_for('the archive', 60, sub { ($s->psql_try('SELECT count(*) FROM messages') || [0])->[0] >= @$acknowledged }), 'the archive drains');
    my @archived = $s->psql('SELECT message_id FROM messages');
    my %archived;
    $archived{$_}++ for @archived;
    is_deeply(\%archived, {map { $_ => 1 } @$acknowledged}, 'and holds exactly the acknowledged messages, each once');
    is($s->psql('SELECT sum(total_messages) FROM conversations'), scalar @$acknowledged, 'and counts them');
    is($s->redis('LLEN', 'message_queue'), 0, 'the queue is empty') or diag($s->redis('LRANGE', 'message_queue', 0, 0)->[0]);
    is($s->redis('ZCARD', 'message_queue:dead'), 0, 'nothing was given up') or diag($s->redis('HVALS', 'message_queue:dead:items')->[0]);

    # a reply may be unknown only because the process that sent it was killed meanwhile
    $unknown = unknown($s);
    my @arrived = grep { $times{$_} } keys %$unknown;
    my $turns = $s->psql("SELECT count(DISTINCT turn_id) FROM messages WHERE reason IN ('owner_lost', 'outcome_unknown')");
    note(sprintf '%d turns with %d messages are unknown, %d of these messages have their reply', $turns, scalar keys %$unknown, scalar @arrived);
    is(log_lines($s, 'it is not known whether a reply reached the platform'), 0, 'no outcome got lost on the way from the platform');
    cmp_ok($turns, '<=', $kills, 'unknown outcomes are as few as kills explain');
    cmp_ok(keys %$unknown, '<', @$acknowledged / 20, 'and rare');
    return;
}

my $s = Stack->start(store => 'redis', responders => 4, daemons => 2,
    env => {PROCESSING_LOCK_TTL => 3, PANCAKE_TIMEOUT => 2, PANCAKE_IDEMPOTENT => 'no', AI_SERVICE_TIMEOUT => 5});
$s->control(ai => {delay_ms => 40}, platform => {delay_ms => 5});
my $begin = time;
my @plan = plan_messages();
my @senders = map { my $k = $_; sender($s, grep { substr($_->[1], 1) % $SENDERS == $k } @plan) } 0 .. $SENDERS - 1;
my $killed = kill_at_random($s);
my @results = map { $_->() } @senders;
my $kills = 0;
$kills += $_ for values %$killed;
note('killed: ' . join ', ', map { "$_ $killed->{$_} times" } sort keys %$killed);
my (@acknowledged, %refused, $tries);
for my $r (@results) {
    push @acknowledged, @{$r->{acknowledged}};
    $tries += $r->{tries};
    $refused{$_} += $r->{refused}{$_} for keys %{$r->{refused}};
}
note("$tries tries; not acknowledged: " . join ', ', map { "$_ ($refused{$_})" } sort keys %refused);
is($kills, $KILLS, "$KILLS kills");
is(join(' ', grep { /^[1-4]\d\d$/ } keys %refused), '', 'a message whose responder was killed is refused with 5xx or cut: its sender may try again');
is(scalar @acknowledged, $MESSAGES, "$MESSAGES messages are acknowledged");
judge($s, \@acknowledged, $kills);
note(sprintf '%.0f s', time - $begin);
$s->end_well;
diag("SEED=$SEED") if !Test::More->builder->is_passing;
done_testing;
