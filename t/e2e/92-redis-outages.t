#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# Redis goes away and comes back, again and again, while messages and jobs come in at both entrances: killed with -9 and started on its data, or
# stopped for longer than the host waits, so that it finds old commands in its sockets when it goes on. Once PostgreSQL is killed and
# started in between. Every accepted message is answered by exactly one reply, or it is known that nobody can know; every job's id
# stays good; and when all is over the archive has what was accepted.
# SEED=n repeats a run's choices (not its timing). OUTAGES changes its size; a full run is OUTAGES=20.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use List::Util qw(max uniq);
use Test::More;
use Time::HiRes qw(sleep time);
use Stack;
use Stack::ManyJobs;

my $absent = missing(qw(lighttpd redis postgres));
plan skip_all => "$absent is not installed" if $absent;

my $SEED          = int($ENV{SEED} || (time ^ $$));
my $OUTAGES       = $ENV{OUTAGES} || 3;
my $RATE          = $ENV{RATE} || 20;          # messages a second at each entrance
my $CONVERSATIONS = $ENV{CONVERSATIONS} || 50; # at each
my $WINDOW        = 12;                        # parts of a history that a client sends
note("SEED=$SEED");
srand $SEED;

# ---- senders: what is not taken is sent again, as a platform does ----

sub is_taken { my $a = shift; return $a->status == 200 || $a->status == 202 }

# `next` makes [second, conversation, id, request without its time, hash that is told `taken`]. Until the file is there; then what is open is sent until it is taken.
# Returns {taken => [[conversation, id, job id, when]], tries, refused => {what => how often}}.
sub send_until {
    my ($s, $stop, $next) = @_;
    my ($begin, $tries, @taken, @again, %refused) = (time, 0);
    my $ahead = $next->();
    while (!-e $stop || @again) {
        my $now = time - $begin;
        my @turn = splice @again;
        while (!-e $stop && $ahead->[0] < $now + 0.3) { push @turn, $ahead; $ahead = $next->() }
        $tries += @turn;
        my @requests = map { {%{$_->[3]->()}, after => max(0, $_->[0] - $now)} } @turn;
        my @answers = $s->burst(\@requests, connections => 80);
        for my $n (0 .. $#answers) {
            my $a = $answers[$n];
            $turn[$n][4]{taken} = 1 if is_taken($a) && $turn[$n][4];
            if (is_taken($a)) { push @taken, [@{$turn[$n]}[1, 2], $a->json->{ai_job_id} // $a->json->{result}{job_id}, time]; next }
            push @again, $turn[$n];
            $refused{$a->status || $a->error}++;
        }
        sleep 0.1 if @again || !@turn;
    }
    return {taken => \@taken, tries => $tries, refused => \%refused};
}

# Messages of A: small bursts; now and then one of the last ones again.
sub messages {
    my $s = shift;
    my ($at, @count, @burst, @last) = (0);
    return sub {
        if (!@burst) {
            $at += (-log(1 - rand)) * 2 / $RATE;
            my ($c, $when) = (int rand $CONVERSATIONS, $at);
            @burst = map { [$when += rand 0.1, "a$c", "a${c}m" . ++$count[$c]] } 0 .. int rand 4;
            push @burst, [$when, @{$last[rand @last]}[1, 2]] if @last && rand() < 0.2;
            push @last, @burst;
            splice @last, 0, -30;
        }
        my $m = shift @burst;
        return [@$m, sub { $s->message(@$m[1, 2], undef, headers => {Prefer => 'respond-async'}) }];
    };
}

# The conversation as its platform shows it with question n, or as much of it as it sends.
sub parts {
    my ($c, $n) = @_;
    my @parts = (['u', "hello from $c->{name}"], ['b', "welcome $c->{name}"]);
    for my $q (@{$c->{questions}}[0 .. $n]) {
        push @parts, ['b', "a reply to $c->{name}"] if $q->{after_reply};
        push @parts, ['u', $q->{text}];
    }
    return @parts > $WINDOW ? [@parts[-$WINDOW .. -1]] : \@parts;
}

# Whether the question before n was answered, as its customer sees it, when the history is made for the first time: it was taken, seconds ago. One
# that was not taken has no reply behind it; a client that says so all the same has told it as history.
sub see_reply {
    my ($c, $n) = @_;
    my ($q, $before) = @{$c->{questions}}[$n, $n - 1];
    $q->{after_reply} //= $n > 0 && $q->{late} && defined $before->{taken} ? 1 : 0;
    return;
}

# Histories of B: now and then a question comes while the one before it is worked on, or a request comes again.
sub histories {
    my $s = shift;
    my ($at, $again, @conversations) = (0);
    return sub {
        my $soon = defined $again && rand() < 0.3;
        $at += $soon ? rand 0.3 : (-log(1 - rand)) / $RATE;
        my $k = $soon ? $again : int rand $CONVERSATIONS;
        $again = $k;
        my $c = $conversations[$k] //= {name => "b$k", questions => [], at => 0};
        my $n = @{$c->{questions}};
        my $ask = sub { my $n = shift; return [$at, $c->{name}, $n, sub { see_reply($c, $n); chat($s, $c->{name}, parts($c, $n)) }, $c->{questions}[$n]] };
        return $ask->($n - 1) if $n && rand() < 0.1;
        push @{$c->{questions}}, {text => "$c->{name}q$n", late => $n && $at - $c->{at} > 3};
        $c->{at} = $at;
        return $ask->($n);
    };
}

# ---- outages ----

sub backend { my $a = $_[0]->admin('/api/v1/admin/health'); return ref $a->json eq 'HASH' ? $a->json->{storage_backend} // '' : '' }

sub outage {
    my ($s, $n) = @_;
    my $kill = $n % 2;
    my $begin = time;
    $kill ? $s->{redis}->kill9 : $s->{redis}->signal('STOP');
    my $over = wait_for('the fallback', 10, sub { backend($s) eq 'SQLite' });
    sleep 0.5 + rand 1.5;
    $kill ? $s->start_redis : $s->{redis}->signal('CONT');
    my $back = wait_for('Redis', 30, sub { backend($s) eq 'Redis' });
    ok($over && $back, sprintf 'outage %d: %s, over and back in %.1f s', $n, $kill ? 'killed' : 'stopped', time - $begin);
    return;
}

# What goes away next knows nothing that the archive does not know.
sub drain_archive {
    my ($s, $when) = @_;
    ok(wait_for('the archive', 60, sub { $s->redis('LLEN', 'message_queue') < 50 }), "$when: the queue drains");
    return;
}

# ---- the judge ----

sub count_by { my %n; $n{$_}++ for @_; return \%n }
sub shown { my $n = shift; return join(', ', map { "$_ ($n->{$_})" } sort keys %$n) || 'none' }
sub some { return join "\n", @_ > 5 ? @_[0 .. 4] : @_ }

# {message id => [how many replies cover it, their turns]}
sub covered {
    my $s = shift;
    my %covered;
    open my $fh, '<', "$s->{dir}/ledger.jsonl" or die "ledger: $!";
    while (<$fh>) {
        /^\{"event":"platform",/ or next;
        my $reply = Stack::Client->decode($_);
        next if !$reply->{applied};
        push @{$covered{$_}}, $reply->{turn_id} for @{$reply->{message_ids}};
    }
    return \%covered;
}

# Rows of what customers wrote, as the archive has them. `key`: what a client knows it by, A's message by its id and B's by its text.
sub archived {
    my $s = shift;
    return map {
        my ($conversation, $id, $content, $status, $reason, $turn) = split /\|/, $_, -1;
        {conversation => $conversation, id => $id, key => "$conversation " . ($conversation =~ /^a/ ? $id : $content), status => $status,
            reason => $reason, turn => $turn, line => $_, unknown => $status eq 'unknown' || $reason eq 'owner_lost' || $reason eq 'outcome_unknown'};
    } $s->psql("SELECT conversation_id, message_id, content, status, coalesce(reason, ''), coalesce(turn_id::text, '') FROM messages WHERE sender_type = 'user'");
}

sub judge_messages {
    my ($s, $accepted, $name) = @_;
    my $covered = covered($s);
    my (%rows, %unanswered, %twice, %states);
    for my $row (grep { $_->{conversation} =~ /^\Q$name\E/ } archived($s)) {
        push @{$rows{$row->{key}}}, $row;
    }
    for my $key (keys %rows) {
        next if $rows{$key}[0]{key} =~ / hello from /;
        my $replies = 0;
        $replies += @{$covered->{$_->{id}} || []} for @{$rows{$key}};
        my $unknown = grep { $_->{unknown} } @{$rows{$key}};
        my $failed = grep { $_->{status} eq 'failed' } @{$rows{$key}};
        my $what = join "\n  ", "$key, replies: $replies", map { $_->{line} . ' by ' . join ' ', @{$covered->{$_->{id}} || []} } @{$rows{$key}};
        $twice{$what} = 1 if $replies > 1;
        $unanswered{$what} = 1 if !$replies && !$unknown && !$failed;
        $states{$unknown ? $replies ? 'unknown, with their reply' : 'unknown' : $failed ? 'failed' : 'answered'}++;
    }
    note("$name: " . shown(\%states));
    is(scalar keys %unanswered, 0, "$name: none is without an end") or diag(some(sort keys %unanswered));
    is(scalar keys %twice, 0, "$name: none is answered twice") or diag(some(sort keys %twice));
    my @missing = grep { !$rows{$_} } sort keys %$accepted;
    my @more = grep { !$accepted->{$_} } sort keys %rows;
    my @double = grep { @{$rows{$_}} > 1 } sort keys %rows;
    is(scalar @missing, 0, "$name: the archive has what was accepted") or diag(some(@missing));
    is(scalar @more, 0, "$name: and nothing else") or diag(some(@more));
    is(scalar @double, 0, "$name: each once") or diag(some(map { map { $_->{line} } @{$rows{$_}} } @double));
    cmp_ok($states{unknown} || 0, '<', max(3, keys(%rows) / 20), "$name: unknown outcomes are rare");
    return;
}

sub judge_jobs {
    my ($s, @ids) = @_;
    my $jobs = wait_for_jobs($s, 60, @ids);
    my @strange = grep { my $j = $jobs->{$_}; ref $j ne 'HASH' || $j->{status} !~ /^(?:completed|failed)$/ } @ids;
    is(scalar @strange, 0, 'every job that a client was told of has its end') or diag(some(map { "$_: " . join "", explain($jobs->{$_}) } @strange));
    my @well = grep { ref $_ eq 'HASH' } values %$jobs;
    is(scalar(grep { $_->{status} eq 'failed' && !length($_->{error} // '') } @well), 0, 'the failed ones say why');
    note(sprintf '%d jobs: %s', scalar @ids, shown(count_by(map { $_->{status} . (defined $_->{merged_into} ? ', merged' : '') } @well)));
    return;
}

sub judge_logs {
    my ($s) = @_;
    is(file_lines($s, qr/Redis connection failed, using fallback/), $OUTAGES, 'the log says once each time that the host goes over');
    is(file_lines($s, qr/store: this host is back/), $OUTAGES, 'and that it is back');
    is(file_lines($s, qr/cannot be joined|a record cannot be read|an impossible way/), 0, 'no record was lost on the way');
    for my $n (map { ("responder-$_", "daemon-$_") } 1, 2) {
        my $lines = file_lines($s, qr/"level":"(?:WARNING|ERROR)".*"message":"(?:redis:|store:|Redis)/, qr{/$n\.log$});
        cmp_ok($lines, '<=', 10 * $OUTAGES, "$n warns of Redis a few times an outage ($lines)");
    }
    return;
}

# What the store that stood in still has: nothing.
sub judge_state_file {
    my $s = shift;
    my $sqlite = Stack::Servers::program('sqlite3') // return note('sqlite3 is not installed: the state file is not looked at');
    for my $table (qw(state_conversation state_pending state_item state_letter state_callback)) {
        my $n = `$sqlite -readonly '$s->{dir}/state/state.db' 'SELECT count(*) FROM $table'`;
        is($n, "0\n", "nothing is left in $table");
    }
    return;
}

my $begin = time;
# with everysec, a Redis that is killed may lose what it has confirmed while its last fsync went on
my $s = Stack->start(store => 'redis', daemons => 2, redis_options => [qw(--appendfsync always)],
    env => {PROCESSING_LOCK_TTL => 4, AI_SERVICE_TIMEOUT => 5, PANCAKE_TIMEOUT => 2, CONTEXT_MESSAGES => 100});
$s->control(ai => {delay_ms => 150}, platform => {delay_ms => 5});
my $stop = "$s->{dir}/stop";
my @senders = map { my $next = $_; beside(sub { send_until($s, $stop, $next) }) } messages($s), histories($s);
sleep 1;
for my $n (1 .. $OUTAGES) {
    outage($s, $n);
    if ($n == int(($OUTAGES + 1) / 2)) {
        $s->kill_postgres;
        sleep 2;
        $s->start_postgres;
        drain_archive($s, 'PostgreSQL was away');
    }
    sleep 1 + rand 2;
}
open my $fh, '>', $stop or die "$stop: $!";
close $fh;
my ($a, $b) = map { $_->() } @senders;
for (['a', $a], ['b', $b]) {
    my ($name, $r) = @$_;
    note(sprintf '%s: %d accepted, %d tries; not accepted: %s', $name, scalar @{$r->{taken}}, $r->{tries}, shown($r->{refused}));
    is(join(' ', grep { /^[1-4]\d\d$/ } keys %{$r->{refused}}), '', "$name: whoever is not taken may try again");
    cmp_ok(scalar @{$r->{taken}}, '>', $OUTAGES * $RATE, "$name: messages were accepted");
}
ok(wait_for('the end of all work', 60, sub { $s->redis('ZCARD', 'due') == 0 && $s->redis('ZCARD', 'active') == 0 }), 'all work ends');
drain_archive($s, 'the end');
note(sprintf '%.0f s', time - $begin);

my %accepted_a = map { ("$_->[0] $_->[1]" => 1) } @{$a->{taken}};
my (%last, %accepted_b);
$last{$_->[0]} = max($last{$_->[0]} // 0, $_->[1]) for @{$b->{taken}};
for my $name (keys %last) { $accepted_b{"$name $_"} = 1 for "hello from $name", map { "${name}q$_" } 0 .. $last{$name} }
judge_messages($s, \%accepted_a, 'a');
judge_messages($s, \%accepted_b, 'b');
my $stats = $s->double_stats;
is($stats->{duplicate_keys}, 0, 'no reply went out twice');
is($stats->{fence_regressions}, 0, 'no fence went back');
judge_jobs($s, uniq grep { defined } map { $_->[2] } @{$a->{taken}}, @{$b->{taken}});
is($s->redis('ZCARD', 'message_queue:dead'), 0, 'nothing was given up') or diag($s->redis('HVALS', 'message_queue:dead:items')->[0]);
is(backend($s), 'Redis', 'Redis is in use');
judge_state_file($s);
judge_logs($s);
note(sprintf 'done in %.0f s', time - $begin);
$s->end_well;
diag("SEED=$SEED") if !Test::More->builder->is_passing;
done_testing;
