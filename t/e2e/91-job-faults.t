#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# Jobs through daemons that are killed with -9 every two seconds: each job ends completed, once, or failed with a reason and a dead letter. Customers
# write on while their jobs run, requests are repeated, some questions are ones that the AI refuses. Judged by what the clients were told, the
# jobs themselves, the platform's ledger and the archive.
# SEED=n repeats a run's choices (not its timing). JOBS (so many questions), KILL_EVERY, SECONDS change its size; a full run is JOBS=10000.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use List::Util qw(max sum0 uniq);
use Test::More;
use Time::HiRes qw(sleep time);
use Stack;
use Stack::ManyJobs;

my $absent = missing(qw(lighttpd redis postgres));
plan skip_all => "$absent is not installed" if $absent;

my $SEED       = int($ENV{SEED} || (time ^ $$));
my $JOBS       = $ENV{JOBS} || 400;
my $KILL_EVERY = $ENV{KILL_EVERY} || 2;
my $SECONDS    = $ENV{SECONDS} || max(20, $JOBS / 50);
my $SENDERS    = 2;
note("SEED=$SEED");
srand $SEED;

# ---- what the clients send ----

# The conversation as the platform sees it with its n-th question: a greeting, and replies where there was time for one.
sub parts {
    my ($c, $n) = @_;
    my @parts = (['u', "hello from $c->{name}"], ['b', "welcome $c->{name}"]);
    for my $q (@{$c->{questions}}[0 .. $n]) {
        push @parts, ['b', "a reply to $c->{name}"] if $q->{late};
        push @parts, ['u', $q->{text}];
    }
    return \@parts;
}

# [second, conversation, n] in order of time. Of each question some requests are repeated, at once or later; some questions come while the one
# before them is worked on. Conversations named r... are refused by the AI.
sub plan_requests {
    my (@plan, @conversations);
    my $count = int $JOBS / 4 + 1;
    for my $k (0 .. $count - 1) { push @conversations, {name => ($k % 50 == 7 ? 'r' : 'j') . $k, at => rand $SECONDS / 2, questions => []} }
    for (1 .. $JOBS) {
        my $c = $conversations[rand @conversations];
        my $n = @{$c->{questions}};
        my $soon = rand() < 0.3;
        $c->{at} += !$n ? 0 : $soon ? 0.02 + rand 0.3 : 2 + rand $SECONDS / 6;
        push @{$c->{questions}}, {text => "$c->{name} asks $n", late => $n && !$soon};
        push @plan, [$c->{at}, $c, $n];
        push @plan, [$c->{at} + rand 0.2, $c, $n] if rand() < 0.15;
        push @plan, [$c->{at} + 1 + rand 4, $c, $n] if rand() < 0.1;
    }
    return sort { $a->[0] <=> $b->[0] } @plan;
}

# Sends them at their time. Returns [status, action, job id, conversation, n, what was wrong] of each.
sub send_all {
    my ($s, @plan) = @_;
    my @requests = map { chat($s, $_->[1]{name}, parts(@$_[1, 2]), after => $_->[0]) } @plan;
    my @answers = $s->burst(\@requests, connections => 60);
    return [map {
        my ($a, $p) = ($answers[$_], $plan[$_]);
        my $j = $a->status == 200 ? $a->json : {};
        [$a->status, $j->{action}, $j->{ai_job_id}, $p->[1]{name}, $p->[2], $a->status == 200 ? undef : $a->text];
    } 0 .. $#plan];
}

# ---- the one who kills ----

# One daemon every KILL_EVERY seconds, until `done` says so. How many in all.
sub kill_daemons {
    my ($s, $done) = @_;
    my ($kills, $next) = (0, time);
    while (!$done->()) {
        $next += $KILL_EVERY;
        sleep max(0.1, $next - time);
        my $which = 1 + int rand $s->{daemons};
        my $p = $s->daemon($which);
        if (!$p->alive) {
            fail($p->name . ' has ended by itself');
            diag(sprintf 'wait status 0x%x', $p->status);
        }
        $p->kill9;
        $s->start_daemon($which);
        $kills++;
        $s->control(ai => {delay_ms => 100 + int rand 200});
    }
    return $kills;
}

# ---- the judge ----

sub count_by { my %n; $n{$_}++ for @_; return \%n }
sub shown { my $n = shift; return join ', ', map { "$_ $n->{$_}" } sort keys %$n }
sub some { return join "\n", @_ > 3 ? @_[0 .. 2] : @_ }

sub judge_answers {
    my @answers = @_;
    is_deeply([map { $_->[5] } grep { $_->[0] != 200 } @answers], [], 'every request is taken');
    note('answers: ' . shown(count_by(map { $_->[1] // 'none' } @answers)));
    my @nameless = grep { !defined $_->[2] && $_->[1] ne 'none' } @answers;
    is(scalar @nameless, 0, 'with the job that answers it');
    return uniq grep { defined } map { $_->[2] } @answers;
}

# Each job's end, as whoever asks for it sees it. Returns those that are not merged into others.
sub judge_jobs {
    my ($s, $jobs) = @_;
    my @strange = grep { my $j = $jobs->{$_}; ref $j ne 'HASH' || $j->{status} !~ /^(?:completed|failed)$/ } keys %$jobs;
    is(scalar @strange, 0, 'each has ended as completed or failed') or diag(some(map { explain($jobs->{$_}) } @strange));
    my @well = grep { ref $_ eq 'HASH' } values %$jobs;
    my @failed = grep { $_->{status} eq 'failed' } @well;
    is(scalar(grep { !length($_->{error} // '') } @failed), 0, 'the failed ones say why');
    is(scalar(grep { defined $_->{error} } grep { $_->{status} eq 'completed' } @well), 0, 'the completed ones have no error');
    is(scalar(grep { !defined $_->{completed_at} } @well), 0, 'all have their end');
    my @merged = grep { defined $_->{merged_into} } @well;
    my @own = grep { !defined $_->{merged_into} } @well;
    note(sprintf '%d jobs: %s; %d ids were merged into others', scalar @own, shown(count_by(map { $_->{status} } @own)), scalar @merged);
    note('errors: ' . shown(count_by(map { $_->{error} } grep { $_->{status} eq 'failed' } @own)));
    note('attempts: ' . shown(count_by(map { $_->{attempts} } @own)));
    return @own;
}

# The platform's side: which reply covers which message, by the double's own file.
sub judge_ledger {
    my ($s, $kills, @own) = @_;
    my (%turns, %covered);
    open my $fh, '<', "$s->{dir}/ledger.jsonl" or die "ledger: $!";
    while (<$fh>) {
        /^\{"event":"platform",/ or next;
        my $reply = Stack::Client->decode($_);
        next if !$reply->{applied};
        $turns{$reply->{turn_id}}++;
        $covered{$_}++ for @{$reply->{message_ids}};
    }
    my $stats = $s->double_stats;
    is($stats->{duplicate_keys}, 0, 'no reply went out twice');
    is($stats->{duplicate_messages}, 0, 'no message is covered by two');
    is($stats->{fence_regressions}, 0, 'no fence went back');
    is(scalar(grep { $_ > 1 } values %turns), 0, 'each turn has at most one');
    my (%outcome, @wrong);
    for my $job (grep { $_->{status} eq 'completed' } @own) {
        my $what = $job->{result}{pancake_result}{status} // 'none';
        my $there = $turns{$job->{job_id}} || 0;
        $outcome{$what}++;
        $outcome{'unknown, and its reply is there'}++ if $what eq 'unknown' && $there;
        push @wrong, "$job->{job_id}: $what, replies: $there" if $what eq 'success' ? $there != 1 : $what ne 'unknown';
    }
    push @wrong, map { "$_->{job_id}: failed, and has a reply" } grep { $_->{status} eq 'failed' && $turns{$_->{job_id}} } @own;
    is(scalar @wrong, 0, 'a completed job has its one reply, or nobody can know; a failed one has none') or diag(some(@wrong));
    my %own = map { $_->{job_id} => 1 } @own;
    is(scalar(grep { !$own{$_} } keys %turns), 0, 'no reply is of another turn');
    note('completed jobs by delivery: ' . shown(\%outcome));
    cmp_ok($outcome{unknown} || 0, '<', max(3, @own / 20), 'what nobody can know is rare');
    is(file_lines($s, qr/it is not known whether a reply reached the platform/), 0, 'and comes from kills alone');
    cmp_ok($outcome{unknown} || 0, '<=', $kills * 4, 'of which each explains a few');
    return \%covered;
}

# Every text that a client was promised an answer to is kept once, with the outcome of its job.
sub judge_archive {
    my ($s, $covered, $promised, $jobs, @own) = @_;
    my %own = map { $_->{job_id} => $_ } @own;
    my (%times, @wrong, %by);
    for my $row ($s->psql("SELECT conversation_id, content, message_id, status, coalesce(reason, ''), coalesce(turn_id::text, '') FROM messages WHERE sender_type = 'user'")) {
        my ($conversation, $content, $id, $status, $reason, $turn) = split /\|/, $row, -1;
        $times{"$conversation: $content"}++;
        next if $reason eq 'history';
        my $job = $own{$turn};
        my $unknown = $job && ($job->{result}{pancake_result}{status} // '') eq 'unknown';
        my $is = $status eq 'unknown' || $reason eq 'owner_lost' ? 'unknown' : $status;
        $by{$is}++;
        my $replies = $covered->{$id} || 0;
        my $fits = $job && ($is eq 'unknown' ? $unknown : $is eq $job->{status}) && ($is eq 'completed' ? $replies == 1 : $is eq 'unknown' || !$replies);
        push @wrong, "$row, replies: $replies" if !$fits;
    }
    is_deeply(\%times, $promised, 'the archive has each text once, and no other');
    is(scalar @wrong, 0, 'with the end of its job, and a reply where it has one') or diag(some(@wrong));
    note('messages: ' . shown(\%by));
    my %kept = map { split /\|/, $_, 2 } $s->psql("SELECT id, status || ' ' || coalesce(error, '') FROM jobs");
    is_deeply(\%kept, {map { $_->{job_id} => "$_->{status} " . ($_->{error} // '') } @own}, 'the table of jobs says the same as the jobs');
    return;
}

# A question is promised when a request that holds it is taken.
sub promised {
    my ($conversations, @answers) = @_;
    my %last;
    for (@answers) { $last{$_->[3]} = max($last{$_->[3]} // 0, $_->[4]) if $_->[0] == 200 }
    my %promised;
    for my $name (keys %last) {
        $promised{"$name: $_->[1]"} = 1 for grep { $_->[0] eq 'u' } @{parts($conversations->{$name}, $last{$name})};
    }
    return \%promised;
}

my $begin = time;
my $s = Stack->start(store => 'redis', daemons => 2, env => {AI_SERVICE_TIMEOUT => 5});
my @plan = plan_requests();
my %conversations = map { $_->[1]{name} => $_->[1] } @plan;
$s->control(ai => {delay_ms => 200}, platform => {delay_ms => 5});
$s->control(conversation_id => $_, ai => {status => 400}) for grep { /^r/ } keys %conversations;
my $last = $plan[-1][0];
note(sprintf '%d questions, %d requests, %.0f s', $JOBS, scalar @plan, $last);

my $started = time;
my @senders = map { my $k = $_; beside(sub { send_all($s, grep { substr($_->[1]{name}, 1) % $SENDERS == $k } @plan) }) } 0 .. $SENDERS - 1;
my $kills = kill_daemons($s, sub { time - $started > $last + 1 && !$s->redis('ZCARD', 'due') || time - $started > $last + bound(60) });
my @answers = map { @{$_->()} } @senders;
note("$kills kills");
cmp_ok($kills, '>=', $last / $KILL_EVERY / 2, 'daemons were killed');
my @ids = judge_answers(@answers);
my $jobs = wait_for_jobs($s, 60, @ids);
my @own = judge_jobs($s, $jobs);
ok(wait_for('the archive', 60, sub { $s->redis('LLEN', 'message_queue') == 0 && $s->redis('EXISTS', 'message_queue:batches') == 0 }), 'the queue drains');
my $covered = judge_ledger($s, $kills, @own);
judge_archive($s, $covered, promised(\%conversations, @answers), $jobs, @own);
is($s->redis('ZCARD', 'message_queue:dead'), scalar(grep { $_->{status} eq 'failed' } @own), 'each failed job has left a dead letter, nothing else has');
note(sprintf 'done in %.0f s', time - $begin);
$s->end_well;
diag("SEED=$SEED") if !Test::More->builder->is_passing;
done_testing;
