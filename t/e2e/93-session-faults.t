#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# Daemons, Redis and PostgreSQL are killed with -9 or stopped for a while, at random, while messages of all kinds of senders come in through
# sessions, and listeners follow some of these. When all is over the database has each accepted message exactly once, as it was sent and with
# its end, and the listeners were told each of their sessions' messages exactly once.
# In two ways: STORE_FALLBACK=reject, where the host has nothing but Redis; and embedded, where its own file stands in.
# SEED=n repeats a run's choices (not its timing). MESSAGES changes its size; a full run is MESSAGES=20000.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use List::Util qw(max min sum0);
use Test::More;
use Time::HiRes qw(sleep time);
use Stack;
use Stack::Sessions;

my $absent = missing(qw(lighttpd redis postgres));
plan skip_all => "$absent is not installed" if $absent;

my $SEED          = int($ENV{SEED} || (time ^ $$));
my $MESSAGES      = $ENV{MESSAGES} || 1500; # in both ways together
my $RATE          = $ENV{RATE} || 100;      # a second
my $CONVERSATIONS = 40;
my $EARS          = 6;                      # sessions that somebody listens to
note("SEED=$SEED");
srand $SEED;

# ---- what is sent: again until it is accepted, as a platform does ----

# [second, session, request without its time]. Agents write in every fifth session: the bot is silent there.
sub plan_messages {
    my ($count) = @_;
    my (@plan, @n);
    while (@plan < $count) {
        my $c = int rand $CONVERSATIONS;
        my $at = rand $count / $RATE;
        for (0 .. int rand 3) {
            my $type = rand() < 0.25 ? 'system' : $c % 5 == 4 && rand() < 0.5 ? 'agent' : 'user';
            my $k = ++$n[$c];
            push @plan, [$at += rand 0.1, "s$c", {message_id => "s${c}m$k", content => "text $k of $c: " . 'x' x int rand 200, sender_type => $type}] if @plan < $count;
        }
    }
    return sort { $a->[0] <=> $b->[0] } @plan;
}

# Beside the test. The code reference gives {accepted => [[session, id, how]], tries, refused => {what => how often}}.
sub sender {
    my ($s, @plan) = @_;
    my $pid = open(my $from_child, '-|') // die "fork: $!";
    if (!$pid) {
        my ($begin, $tries, @accepted, @again, %refused) = (time, 0);
        while (@plan || @again) {
            my $now = time - $begin;
            my @turn = splice @again;
            push @turn, shift @plan while @plan && $plan[0][0] < $now + 0.3;
            $tries += @turn;
            my @answers = $s->burst([map { $s->say_request($_->[1], undef, %{$_->[2]}, after => max(0, $_->[0] - $now)) } @turn], connections => 60);
            for my $n (0 .. $#answers) {
                if ($answers[$n]->status == 202) { push @accepted, [$turn[$n][1], $turn[$n][2]{message_id}, $answers[$n]->json->{duplicate} ? 1 : 0]; next }
                push @again, $turn[$n];
                $refused{$answers[$n]->status || $answers[$n]->error}++;
            }
            sleep 0.1 if !@turn || @again;
        }
        print Stack::Client->encode({accepted => \@accepted, tries => $tries, refused => \%refused});
        close STDOUT;
        POSIX::_exit(0);
    }
    return sub {
        my $text = do { local $/; <$from_child> };
        close $from_child;
        return Stack::Client->decode($text) || BAIL_OUT('a sender has died');
    };
}

# ---- listeners: each goes on where it was, whatever its connection does ----

sub ear { my ($s, $id) = @_; return {id => $id, heard => [], last => 0, stream => $s->listen_to($id, after => 0)} }

sub listen_on {
    my ($s, @ears) = @_;
    for my $ear (@ears) {
        my $e = $ear->{stream};
        next if !$e && time < $ear->{at};
        if (!$e) {
            $ear->{stream} = eval { $s->listen_to($ear->{id}, headers => {%{$s->platform_headers}, 'Last-Event-ID' => $ear->{last}}) };
            next;
        }
        my @new = map { Stack::Client->decode($_->{data}) } grep { defined $_->{data} } splice @{$e->read->{events}};
        push @{$ear->{heard}}, @new;
        $ear->{last} = $new[-1]{seq} if @new;
        next if !$e->closed && !$e->ended && ($e->status // 200) == 200;
        $e->hang_up;
        @$ear{qw(stream at)} = (undef, time + 0.2);
        $ear->{resumed}++;
    }
    return;
}

# ---- the one who kills ----

sub pause {
    my ($s, $seconds, @ears) = @_;
    my $until = time + $seconds;
    while (time < $until) { listen_on($s, @ears); sleep 0.05 }
    return;
}

sub postgres_and_children {
    my $s = shift;
    my $pid = $s->{postgresql}->pid;
    return ($pid, map { m{/proc/(\d+)/stat} && Stack::_parent($1) == $pid ? $1 : () } glob '/proc/[0-9]*/stat');
}

my %blows = (
    'daemon killed' => sub {
        my ($s) = @_;
        my $n = 1 + int rand $s->{daemons};
        $s->daemon($n)->kill9;
        $s->start_daemon($n);
    },
    'daemon stopped' => sub {
        my ($s, @ears) = @_;
        my $daemon = $s->daemon(1 + int rand $s->{daemons});
        $daemon->signal('STOP');
        pause($s, 0.5 + rand 2.5, @ears);
        $daemon->signal('CONT');
    },
    'Redis killed' => sub {
        my ($s, @ears) = @_;
        $s->{redis}->kill9;
        pause($s, rand 0.7, @ears);
        $s->start_redis;
    },
    'Redis stopped' => sub {
        my ($s, @ears) = @_;
        $s->{redis}->signal('STOP');
        pause($s, 0.3 + rand 1.5, @ears);
        $s->{redis}->signal('CONT');
    },
    'PostgreSQL killed' => sub {
        my ($s, @ears) = @_;
        $s->kill_postgres;
        pause($s, rand 1, @ears);
        $s->start_postgres;
    },
    'PostgreSQL stopped' => sub {
        my ($s, @ears) = @_;
        my @pids = postgres_and_children($s);
        kill 'STOP', @pids;
        pause($s, 0.5 + rand 2, @ears);
        kill 'CONT', @pids;
    },
);

sub hit_at_random {
    my ($s, $seconds, @ears) = @_;
    my ($until, %hit, @order) = (time + $seconds);
    do {
        @order = map { [rand, $_] } keys %blows if !@order;
        @order = sort { $a->[0] <=> $b->[0] } @order;
        my $what = (shift @order)->[1];
        $blows{$what}->($s, @ears);
        $hit{$what}++;
        pause($s, 0.3 + rand 1, @ears);
    } while (time < $until || keys %hit < keys %blows);
    return \%hit;
}

# ---- the judge ----

sub shown { my $n = shift; return join(', ', map { "$_ ($n->{$_})" } sort keys %$n) || 'none' }
sub some { return join "\n", @_ > 5 ? @_[0 .. 4] : @_ }

sub judge_database {
    my ($s, $sent, $accepted) = @_;
    my $count = @$accepted;
    is($s->psql('SELECT count(*) FROM messages'), $count, 'the database has as many messages as were accepted');
    is($s->psql('SELECT count(DISTINCT (conversation_id, message_id)) FROM messages'), $count, 'each once');
    my %rows = map { my ($c, $id, $type, $status, $content) = split /\|/, $_, 5; ("$c $id" => [$type, $status, $content]) }
        $s->psql('SELECT conversation_id, message_id, sender_type, status, content FROM messages');
    my @missing = grep { !$rows{$_} } map { "$_->[0] $_->[1]" } @$accepted;
    is(scalar @missing, 0, 'none is missing') or diag(some(@missing));
    my @other = grep { my $m = $sent->{$_}; $rows{$_}[2] ne $m->{content} || $rows{$_}[0] ne $m->{sender_type} } keys %rows;
    is(scalar @other, 0, 'all are as they were sent') or diag(some(map { "$_: @{$rows{$_}}" } @other));
    my %states;
    $states{"$_->[0] $_->[1]"}++ for values %rows;
    note(shown(\%states));
    my @open = grep { $rows{$_}[1] !~ /^(?:completed|failed|unknown|recorded|cancelled)$/ } sort keys %rows;
    is(scalar @open, 0, 'each has its end') or diag(some(map { "$_: @{$rows{$_}}" } @open));
    is(sum0(map { $states{"$_ completed"} // 0 } qw(agent system)), 0, 'nobody answers shop and system');
    cmp_ok($states{'user completed'} // 0, '>', 0.4 * $count, 'customers are answered');
    is($s->psql('SELECT count(*) FROM conversations c WHERE total_messages <> (SELECT count(*) FROM messages m WHERE m.conversation_id = c.conversation_id)'), 0,
        'conversations count their messages');
    is($s->redis('LLEN', 'message_queue'), 0, 'the queue is empty') or diag($s->redis('LRANGE', 'message_queue', 0, 0)->[0]);
    is($s->redis('ZCARD', 'message_queue:dead'), 0, 'nothing was given up') or diag($s->redis('HVALS', 'message_queue:dead:items')->[0]);
    return;
}

sub judge_replies {
    my $s = shift;
    my %times = map { %$_ } values %{$s->covered_everywhere};
    my @twice = grep { $times{$_} > 1 } keys %times;
    is(scalar @twice, 0, 'no message is answered twice') or diag(some(@twice));
    is($s->double_stats->{duplicate_keys}, 0, 'no reply went out twice');
    return;
}

# Numbers grow, no message is told twice, and those that nobody was told of are explained by a reset, which only a change of stores makes.
sub judge_ear {
    my ($s, $ear, $accepted, $resets_allowed) = @_;
    my @heard = @{$ear->{heard}};
    my (%told, $resets, $disorder, $gaps, $last) = ();
    $resets = $disorder = $gaps = $last = 0;
    for my $e (@heard) {
        if ($e->{type} eq 'reset') { $resets++ }
        else {
            $disorder++ if $e->{seq} <= $last;
            $gaps++ if $e->{seq} != $last + 1;
        }
        $last = $e->{seq};
        $told{$e->{message_id}}++ if $e->{type} eq 'message';
    }
    my @missing = grep { !$told{$_} } map { $_->[1] } grep { $_->[0] eq $ear->{id} } @$accepted;
    my @twice = grep { $told{$_} > 1 } keys %told;
    my $name = "$ear->{id}, " . ($ear->{resumed} // 0) . ' times resumed';
    is($disorder . scalar(@twice), '00', "$name: " . scalar(@heard) . ' events, none twice, in order')
        or diag("twice: @twice\n" . join ' ', map { "$_->{seq}:" . ($_->{type} eq 'message' ? $_->{message_id} : $_->{type} eq 'reset' ? "reset($_->{missed})" : $_->{type}) } @heard);
    is("$gaps $resets " . scalar @missing, '0 0 0', "$name: without a gap, every message") or diag(some(@missing)) if !$resets_allowed;
    ok(!@missing || $resets, "$name: " . scalar(@missing) . " missed, $resets resets") if $resets_allowed;
    return $resets;
}

sub waits_for_all {
    my ($s, $accepted, @ears) = @_;
    my $all = wait_for('the end of all work', 120, sub {
        listen_on($s, @ears);
        my $left = eval { sum0(map({ $s->redis('ZCARD', $_) } qw(active waiting due message_queue:batches)), $s->redis('LLEN', 'message_queue')) } // 1;
        return $left == 0 && !eval { @{$s->psql_try("SELECT 1 FROM messages WHERE status = 'received' LIMIT 1") // [1]} };
    });
    ok($all, 'all work ends') or diag(eval { join ' ', map({ "$_ " . $s->redis('ZCARD', $_) } qw(active waiting due message_queue:batches)), $s->redis('LLEN', 'message_queue') });
    my %last;
    for my $ear (@ears) { # a last word, so that one knows that all was told
        my $said = wait_for('the last word', 30, sub { listen_on($s, @ears); my $a = $s->say($ear->{id}, 'the end', message_id => "$ear->{id}end", sender_type => 'system'); $a->status == 202 });
        push @$accepted, [$ear->{id}, "$ear->{id}end", 0] if $said;
    }
    ok(wait_for('the last words', 60, sub { listen_on($s, @ears); !grep { my $ear = $_; !grep { ($_->{message_id} // '') eq "$ear->{id}end" } @{$ear->{heard}} } @ears }), 'listeners hear the end');
    my $count = @$accepted;
    ok(wait_for('the archive', 60, sub { ($s->psql_try('SELECT count(*) FROM messages') || [0])->[0] >= $count && $s->redis('LLEN', 'message_queue') == 0 }), 'the archive drains');
    return;
}

for (['reject', 0.5], ['embedded', 0.5]) {
    my ($fallback, $share) = @$_;
    subtest "STORE_FALLBACK=$fallback" => sub {
        # with everysec, a Redis that is killed may lose what it has confirmed while its last fsync went on
        my $s = Stack->start(store => 'redis', daemons => 2, redis_options => [qw(--appendfsync always)],
            env => {STORE_FALLBACK => $fallback, PROCESSING_LOCK_TTL => 4, AI_SERVICE_TIMEOUT => 5, PANCAKE_TIMEOUT => 2, HUMAN_LEASE_MINUTES => 60});
        $s->control(ai => {delay_ms => 20}, platform => {delay_ms => 2});
        my @plan = plan_messages(int $MESSAGES * $share);
        my %sent = map { ("$_->[1] $_->[2]{message_id}" => $_->[2]) } @plan;
        my @ears = map { ear($s, 's' . $_ * 3) } 0 .. $EARS - 1;
        $sent{"$_->{id} $_->{id}end"} = {content => 'the end', sender_type => 'system'} for @ears;
        my $begin = time;
        my @senders = map { my $k = $_; sender($s, grep { substr($_->[1], 1) % 2 == $k } @plan) } 0, 1;
        my $hit = hit_at_random($s, @plan / $RATE * 0.95, @ears);
        my (@accepted, %refused, $tries);
        for my $result (map { $_->() } @senders) {
            push @accepted, @{$result->{accepted}};
            $tries += $result->{tries};
            $refused{$_} += $result->{refused}{$_} for keys %{$result->{refused}};
        }
        note(sprintf '%d messages in %.0f s, %d tries, %d were there when they came again; not accepted: %s', scalar @accepted, time - $begin, $tries,
            scalar(grep { $_->[2] } @accepted), shown(\%refused));
        note('done to them: ' . shown($hit));
        is(scalar @accepted, scalar @plan, 'all messages are accepted');
        is(join(' ', grep { /^[1-4]\d\d$/ } keys %refused), '', 'whoever is not accepted may try again');
        waits_for_all($s, \@accepted, @ears);
        note(sprintf 'done in %.0f s', time - $begin);
        judge_database($s, \%sent, \@accepted);
        judge_replies($s);
        my $resets = sum0(map { judge_ear($s, $_, \@accepted, $fallback eq 'embedded') } @ears);
        note("$resets resets");
        $s->end_well;
    };
}
diag("SEED=$SEED") if !Test::More->builder->is_passing;
done_testing;
