#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# How jobs end otherwise: cancelled by those who sent them, at any moment; and how they live when something is short or away: one daemon that
# works on few at once, a status that is not public, no Redis, no PostgreSQL, a daemon that is killed.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use JSON::PP ();
use Test::More;
use Time::HiRes qw(sleep time);
use Stack;

my $RACES = $ENV{RACES} || 60;
my $s;

sub begin {
    my ($c, $ai, %o) = @_;
    $s->control(conversation_id => $c, ai => $ai) if $ai;
    my $answer = $s->chat($c, $o{parts} // 'do it', resources => $o{resources} // {});
    is($answer->status, 200, "$c: taken") or diag($answer->text);
    return $answer->json->{ai_job_id};
}

my %HOW = (delete => sub { $s->ask_job($_[0], '', method => 'DELETE') }, post => sub { $s->ask_job($_[0], '/cancel', method => 'POST') });

sub is_cancelled {
    my ($what, $answer, $id, $c) = @_;
    is($answer->status, 200, "$what: 200") or diag($answer->text);
    is_deeply($answer->json, {success => JSON::PP::true, cancelled => JSON::PP::true, job_id => $id, conversation_id => $c, status => 'cancelled'}, "$what: it is cancelled");
    is_deeply([@{$s->job($id)}{qw(status error)}], ['cancelled', undef], "$what: and stays so");
    return;
}

sub too_late { my ($what, $answer) = @_; is($answer->status . ' ' . ($answer->json->{code} // ''), '409 too_late', "$what: too late") or diag($answer->text); return }

# ---- cancel ----

sub cancelled_while {
    for my $how (sort keys %HOW) {
        my $cancel = $HOW{$how};
        my $id = begin("queued-$how", undef, resources => {bot_id => 'patient'});
        is($s->job($id)->{status}, 'queued', "$how: one that is queued");
        is_cancelled("$how, queued", $cancel->($id), $id, "queued-$how");
        is_cancelled("$how, once more", $cancel->($id), $id, "queued-$how");

        $id = begin("running-$how", {delay_ms => 120_000});
        $s->job_comes_to($id, 20, 'processing');
        ok(wait_for('the AI call', 20, sub { @{$s->ledger("running-$how")->{ai}} }), "$how: one that runs");
        is_cancelled("$how, running", $cancel->($id), $id, "running-$how");
        ok(wait_for('the end of the call', 20, sub { $s->ledger("running-$how")->{ai}[0]{closed_early} }), "$how, running: the AI call is cut");
        $s->control(conversation_id => "running-$how", ai => {delay_ms => 0});
        my $again = $s->chat("running-$how", 'do it');
        is_deeply([@{$again->json}{qw(status ai_job_id)}], ['already_processed', $id], "$how, running: the same request does not begin it again");
        my $next = begin("running-$how", undef, parts => ['u do it', 'u or rather this']);
        $s->job_completes($next);
        is_deeply($s->answered_texts("running-$how"), {'do it' => 1, 'or rather this' => 1}, "$how, running: a newer message does, with it as context");

        $s->control(conversation_id => "sending-$how", platform => {delay_ms => Stack::delay_ms(2)});
        $id = begin("sending-$how");
        ok(wait_for('the reply to be sent', 20, sub { @{$s->ledger("sending-$how")->{platform}} }), "$how: one whose reply is being sent");
        too_late("$how, being sent", $cancel->($id));
        ok($s->job_completes($id), "$how, being sent: it completes");
        too_late("$how, completed", $cancel->($id));

        $s->control(conversation_id => "failed-$how", ai => {status => 400});
        $id = begin("failed-$how");
        $s->job_comes_to($id, 40, 'failed');
        my $failed = $cancel->($id);
        is_deeply([$failed->status, @{$failed->json}{qw(cancelled status)}], [200, JSON::PP::false, 'failed'], "$how: one that failed has nothing to cancel") or diag($failed->text);
        my $unknown = $cancel->('01234567-89ab-7def-8123-456789abcdef');
        is($unknown->status . ' ' . ($unknown->json->{code} // ''), '404 unknown_job', "$how: one that nobody knows");
    }
    ok(!(grep { $s->replies("$_-delete") || $s->replies("$_-post") } qw(queued)), 'nothing is sent of one that was cancelled while queued');
    return;
}

# What waits behind a reply that goes out in any case.
sub cancelled_behind {
    my $bot = {bot_id => 'finish'};
    my $first = begin('behind', {delay_ms => Stack::delay_ms(2)}, resources => $bot);
    $s->job_comes_to($first, 20, 'processing');
    my $second = begin('behind', undef, parts => ['u do it', 'u this too'], resources => $bot);
    isnt($second, $first, 'another job waits behind one that runs');
    my $answer = $s->ask_job($second, '', method => 'DELETE');
    is($answer->status . ' ' . $answer->json->{cancelled}, '200 1', 'it is cancelled') or diag($answer->text);
    ok($s->job_completes($first), 'the one before completes');
    is($s->job_ends($second)->{status}, 'cancelled', 'it does not');
    is_deeply($s->answered_texts('behind'), {'do it' => 1}, 'and its message is not answered');
    return;
}

# Cancels at any moment around the reply: what was cancelled never sends, what was not has sent.
sub cancel_races {
    srand 75;
    $s->control(platform => {delay_ms => 15});
    my @ids;
    for my $n (1 .. $RACES) {
        $s->control(conversation_id => "race$n", ai => {delay_ms => int rand 60});
        push @ids, $s->chat("race$n", 'do it')->json->{ai_job_id};
        sleep rand 0.09;
        $ids[-1] = [$ids[-1], $s->ask_job($ids[-1], '', method => 'DELETE')];
    }
    $s->control(platform => {delay_ms => undef});
    my (%tally, @wrong);
    for my $n (1 .. $RACES) {
        my ($id, $answer) = @{$ids[$n - 1]};
        my $what = $answer->status == 200 ? 'cancelled' : $answer->json->{code};
        my $job = $s->job_ends($id) || {};
        my $sent = () = $s->replies("race$n");
        $tally{$what}++;
        push @wrong, "race$n: $what, $sent sent, " . ($job->{status} // '') if "$what $sent $job->{status}" !~ /^(cancelled 0 cancelled|too_late 1 completed)$/;
    }
    note(join ', ', map { "$_ $tally{$_}" } sort keys %tally);
    is("@wrong", '', "$RACES cancels race the reply: 200 means that nothing went out, 409 that it did");
    return;
}

# ---- few at once ----

sub concurrency {
    $s->control(ai => {delay_ms => 150});
    my @answers = $s->burst([map { $s->chat_request("few$_", 'do it') } 1 .. 16]);
    my @open = grep { !$s->job_completes($_->json->{ai_job_id}, 60) } @answers;
    is(scalar @open, 0, 'all complete');
    is($s->double_stats->{ai_max_running}, 2, 'two at once, never more');
    $s->control(ai => {delay_ms => undef});
    return;
}

sub private_status {
    is($s->get('/api/v1/status/handler')->status, 401, 'PUBLIC_STATUS=no: the status wants a credential');
    is($s->get('/api/v1/status/handler', {Authorization => 'Bearer x'})->status, 401, 'a good one');
    is($s->get('/api/v1/status/handler', $_)->status, 200, 'as ours') for $s->platform_headers, $s->admin_headers;
    is($s->get('/health')->status, 200, 'the health does not');
    return;
}

# ---- what is away ----

sub handler { my $a = $s->get('/api/v1/status/handler'); return ref $a->json eq 'HASH' ? $a->json : {} }

sub no_postgres {
    my $named = $s->chat('pg0', 'x', resources => {bot_id => 'shop'})->json;
    is($named->{bot_name}, 'The Shop', 'before: a bot of the database');
    $s->job_completes($named->{ai_job_id});
    $s->kill_postgres;
    my %ids = (unknown => begin('pg1', undef, parts => 'PostgreSQL is away'), known => begin('pg0', undef, parts => ['u x', 'u and now?']));
    ok($s->job_completes($ids{$_}), "PostgreSQL away: a job of one who is $_ completes") for sort keys %ids;
    is_deeply($s->answered_texts('pg1'), {'PostgreSQL is away' => 1}, 'with its reply');
    is($s->chat('pg2', 'x', resources => {bot_id => 'shop'})->json->{bot_name}, 'The Shop', 'bots that are known stay known');
    my $told = wait_for('the status to say so', 20, sub { my $j = handler(); ($j->{status} // '') eq 'degraded' && $j });
    is_deeply([@{$told->{components}{archive} || {}}{qw(backend status)}, $told->{components}{redis_connected}], ['PostgreSQL', 'disconnected', JSON::PP::true], 'the status says what is missing') if $told;
    $s->start_postgres;
    my $count = sub { ($s->psql_try("SELECT count(*) FROM jobs WHERE status = 'completed' AND conversation_id IN ('pg0', 'pg1')") || [0])->[0] };
    ok(wait_for('their rows', 60, sub { $count->() == 3 }), 'PostgreSQL back: the jobs are stored') or diag($count->());
    ok(wait_for('the status', 30, sub { (handler()->{status} // '') eq 'healthy' }), 'and the status is as ever');
    return;
}

sub no_redis {
    my $before = begin('re0', undef, parts => 'x');
    $s->job_completes($before);
    wait_for('the archive', 20, sub { $s->redis('LLEN', 'message_queue') == 0 && $s->redis('EXISTS', 'message_queue:batches') == 0 });
    $s->{redis}->kill9;
    my $number = 0;
    my $answer = wait_for('an answer of the fallback', 20, sub { my $a = $s->chat('re' . ++$number, 'Redis is away'); $a->status == 200 && $a });
    ok($answer, 'Redis away: messages are taken') or return;
    my $job = $s->job_completes($answer->json->{ai_job_id});
    is_deeply([@{$job->{result}}{qw(storage_backend distributed_lock_used)}], ['SQLite', JSON::PP::false], 'and answered, by the store of this host') if $job;
    is_deeply($s->answered_texts("re$number"), {'Redis is away' => 1}, 'once');
    my $j = wait_for('the status to say so', 20, sub { my $j = handler(); ($j->{status} // '') eq 'degraded' && $j->{components}{daemon}{running} && $j }) || {}; # its heartbeat comes every few seconds
    is_deeply([$j->{components}{redis_connected}, @{$j->{components}{background_job_manager}}{qw(redis_connected status)}, @{$j->{components}{store}}{qw(backend status)}],
        [JSON::PP::false, JSON::PP::false, 'healthy', 'SQLite', 'standing_in'], 'the status says what stands in') or diag(explain($j));
    my $warned = sub { my $p = shift; open my $fh, '<', $p->{log} or return 0; return scalar grep { /"level":"WARNING".*redis: / } <$fh> };
    ok(wait_for('warnings', 20, sub { !grep { !$warned->($_) } $s->responders, $s->daemons }), 'and so does every log');
    $s->start_redis;
    my $back = wait_for('Redis in use again', 60, sub { (handler()->{components} || {})->{redis_connected} });
    ok($back, 'Redis back: it is used again') or return;
    my $late = $s->job_completes(begin("re$number", undef, parts => ['u Redis is away', 'u and back']));
    is($late->{result}{storage_backend}, 'Redis', 'the conversation goes on there') if $late;
    is_deeply($s->answered_texts("re$number"), {'Redis is away' => 1, 'and back' => 1}, 'with what was said meanwhile');
    return;
}

# kill -9 of the daemon that works on it: another one finishes it, under the same id.
sub no_daemon {
    my $id = begin('lost', {delay_ms => 120_000});
    $s->job_comes_to($id, 20, 'processing');
    ok(wait_for('the AI call', 20, sub { @{$s->ledger('lost')->{ai}} }), 'a job runs');
    $s->control(conversation_id => 'lost', ai => {delay_ms => 0});
    $s->daemon(1)->kill9;
    my $waiting = begin('orphan', undef);
    is($s->job($waiting)->{status}, 'queued', 'no daemon: jobs are taken, and wait');
    $s->start_daemon(1);
    ok($s->job_completes($_), 'the next daemon completes it') for $waiting, $id;
    is_deeply([map { scalar(() = $s->replies($_)) } qw(lost orphan)], [1, 1], 'with a reply each');
    is_deeply([map { $s->job($_)->{attempts} } $id, $waiting], [2, 1], 'the one that was lost was tried twice');
    return;
}

sub services {
    ok(wait_for('the tables', 30, sub { $s->admin('/api/v1/admin/bots')->status == 200 }), 'it is up');
    my $patience = Stack::delay_ms(3);
    $s->configure_services(['bots', {bot_id => 'patient', name => 'Patient', settings => {debounce_ms => $patience, max_wait_ms => $patience}}],
        ['bots', {bot_id => 'finish', name => 'Finish', settings => {on_newer => 'finish'}}], ['bots', {bot_id => 'shop', name => 'The Shop'}]);
    return;
}

my %ENVIRONMENT = (PROCESSING_LOCK_TTL => 5, AI_SERVICE_TIMEOUT => 300, JOB_MAX_ATTEMPTS => 2, BREAKER_FAILURES => 0, AI_SERVICE_RETRIES => 0);

for my $store (qw(sqlite redis)) {
    subtest $store => sub {
        my $absent = missing('lighttpd', $store eq 'redis' ? qw(redis postgres) : ());
        plan skip_all => "$absent is not installed" if $absent;
        $s = Stack->start(store => $store, env => \%ENVIRONMENT);
        services();
        subtest 'cancelled while ...'       => \&cancelled_while;
        subtest 'cancelled behind another'  => \&cancelled_behind;
        subtest 'cancelled at any moment'   => \&cancel_races;
        subtest 'the daemon is lost'        => \&no_daemon;
        if ($s->{postgres}) {
            subtest 'PostgreSQL is away' => \&no_postgres;
            subtest 'Redis is away'      => \&no_redis;
        }
        is($s->double_stats->{$_}, 0, "no $_") for qw(duplicate_messages duplicate_keys);
        $s->end_well;
    };
}

subtest 'few at once' => sub {
    my $absent = missing('lighttpd');
    plan skip_all => "$absent is not installed" if $absent;
    $s = Stack->start(env => {%ENVIRONMENT, JOB_CONCURRENCY => 2, PUBLIC_STATUS => 'no'});
    concurrency();
    private_status();
    $s->end_well;
};

done_testing;
