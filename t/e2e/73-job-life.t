#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# What becomes of a job while others write: messages that come while it waits or runs, requests that are repeated, both entrances at once, persons who
# take over, bots that do not deliver. Judged by what the AI was shown and the platform got. Also what of a job stands in Redis and in PostgreSQL.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use JSON::PP ();
use Test::More;
use Time::HiRes qw(sleep time);
use Stack;

my $JOB_TTL = 60;
my $s;

sub status_of { my $j = $_[0]->json; return ref $j eq 'HASH' ? join ' ', map { $_ // 'null' } @$j{qw(status action)} : $_[0]->text }

# A conversation whose AI takes this long (stretched); its first message is being processed. Returns the answer to it.
sub running {
    my ($c, $seconds, $parts, %o) = @_;
    $s->control(conversation_id => $c, ai => {delay_ms => Stack::delay_ms($seconds)});
    my $answer = $s->chat($c, $parts, %o);
    is(status_of($answer), 'ai_processing_started lock_acquired', "$c: a job of its own") or diag($answer->text);
    ok(wait_for('the AI call', 20, sub { @{$s->ledger($c)->{ai}} }), "$c: it runs");
    return $answer->json;
}

sub all_answered_once {
    my ($c, @texts) = @_;
    ok(wait_for('the replies', 40, sub { my $t = $s->answered_texts($c); !grep { !$t->{$_} } @texts }), "$c: every text is answered") or diag(explain($s->answered_texts($c)));
    is_deeply($s->answered_texts($c), {map { ($_ => 1) } @texts}, "$c: once");
    return;
}

# queued -> processing -> completed, and what joins it while it waits.
sub states {
    $s->control(conversation_id => 'states', ai => {delay_ms => 1000});
    my $first = $s->chat('states', 'one', resources => {bot_id => 'patient'})->json;
    my $job = $s->job($first->{ai_job_id});
    is_deeply([@$job{qw(job_id conversation_id status started_at completed_at attempts consolidated_messages result error)}],
        [$first->{ai_job_id}, 'states', 'queued', undef, undef, 1, 1, undef, undef], 'at first it is queued');
    my $second = $s->chat('states', ['u one', 'u two', 'u three']);
    is(status_of($second), 'locked lock_exists', 'more of the same conversation is locked');
    is_deeply([@{$second->json}{qw(success ai_job_id lock_id consolidated_messages)}], [JSON::PP::true, @$first{qw(ai_job_id lock_id)}, 3], 'the same job answers it, and knows three messages');
    is($s->job($first->{ai_job_id})->{consolidated_messages}, 3, 'as the job says');
    my $at_work = $s->job_comes_to($first->{ai_job_id}, 20, 'processing') or return;
    is_deeply([@$at_work{qw(consolidated_messages completed_at)}], [3, undef], 'then it is processed');
    cmp_ok($at_work->{started_at} // 0, '>=', $job->{created_at}, 'since a while');
    my $hex = $first->{lock_id} =~ tr/-//dr;
    is($s->redis('GET', 'lock:states'), $hex, 'lock:<conversation> holds lock_id without hyphens') if $s->{store} eq 'redis';
    my $done = $s->job_completes($first->{ai_job_id}) or return;
    is($done->{started_at}, $at_work->{started_at}, 'and completed');
    is_deeply([$s->asked('states')], [[qw(one two three)]], 'by one question to the AI');
    is(($s->replies('states'))[0]{distributed_lock_id}, $hex, 'the platform got that lock');
    return if $s->{store} ne 'redis';
    is($s->redis('GET', 'lock:states'), undef, 'which is gone afterwards');
    my $ttl = $s->redis('TTL', "job:$first->{ai_job_id}");
    ok($ttl > 0 && $ttl <= $JOB_TTL, 'the record is kept for JOB_TTL') or diag($ttl);
    my $open = $s->chat('states', 'and more', resources => {bot_id => 'patient'})->json->{ai_job_id};
    cmp_ok($s->redis('TTL', "job:$open"), '>', 86400, 'and one that has not ended for as long as it takes');
    $s->job_completes($open);
    my $row = wait_for('its row', 20, sub { ($s->psql_try("SELECT bot_id, status, consolidated_messages FROM jobs WHERE id = '$open'") || [])->[0] });
    is($row // '', 'patient|completed|1', 'its row in PostgreSQL');
    return;
}

# ---- while it runs ----

sub restart {
    my $first = running('restart', 1.5, 'one');
    my $second = $s->chat('restart', ['u one', 'u two']);
    is(status_of($second), 'locked lock_exists', 'restart: one more');
    is($second->json->{consolidated_messages}, 2, 'restart: is answered together with the first');
    my $third = $s->chat('restart', ['u one', 'u two', 'u three']);
    is_deeply([@{$third->json}{qw(ai_job_id consolidated_messages)}], [$second->json->{ai_job_id}, 3], 'restart: and so is a third');
    all_answered_once('restart', qw(one two three));
    is(scalar(() = $s->replies('restart')), 1, 'restart: by one reply');
    my @jobs = map { $s->job_completes($_) // {} } $first->{ai_job_id}, $second->json->{ai_job_id};
    is_deeply([map { $_->{consolidated_messages} } @jobs], [3, 3], 'restart: whichever id one asks for');
    is_deeply($jobs[0]{result}{ai_response}, $jobs[1]{result}{ai_response}, 'restart: with the same result');
    my ($reply) = $s->replies('restart');
    is_deeply([map { $_->{merged_into} // $_->{job_id} } @jobs], [$reply->{turn_id}, $reply->{turn_id}], 'restart: and the id that the platform got');
    return;
}

sub finish {
    my $first = running('finish', 1.5, 'one', resources => {bot_id => 'finish'});
    my $second = $s->chat('finish', ['u one', 'u two']);
    is(status_of($second), 'locked lock_exists', 'finish: one more');
    isnt($second->json->{ai_job_id}, $first->{ai_job_id}, 'finish: another job answers it');
    is($second->json->{consolidated_messages}, 1, 'finish: alone');
    $s->job_completes($_) for $first->{ai_job_id}, $second->json->{ai_job_id};
    all_answered_once('finish', qw(one two));
    is_deeply([map { $_->{turn_id} } $s->replies('finish')], [$first->{ai_job_id}, $second->json->{ai_job_id}], 'finish: two replies, in order');
    is_deeply([$s->asked('finish')], [['one'], ['two']], 'finish: two questions');
    return;
}

sub reject {
    my $first = running('reject', 1.5, 'one', resources => {bot_id => 'reject'});
    my $second = $s->chat('reject', ['u one', 'u two']);
    is($second->status . ' ' . ($second->json->{code} // ''), '409 turn_running', 'reject: one more is refused') or diag($second->text);
    like($second->header('Retry-After') // '', qr/^\d+$/, 'reject: for a while');
    my $same = $s->chat('reject', 'one');
    is(status_of($same), 'locked lock_exists', 'reject: what it works on is known all the same');
    is($same->json->{ai_job_id}, $first->{ai_job_id}, 'reject: with its job');
    $s->job_completes($first->{ai_job_id});
    my $again = $s->chat('reject', ['u one', 'u two']);
    is(status_of($again), 'ai_processing_started lock_acquired', 'reject: then it is taken');
    $s->job_completes($again->json->{ai_job_id});
    all_answered_once('reject', qw(one two));
    return;
}

sub interrupt {
    my $first = running('interrupt', 60, 'one', resources => {bot_id => 'interrupt'});
    $s->control(conversation_id => 'interrupt', ai => {delay_ms => 0});
    my $second = $s->chat('interrupt', ['u one', 'u two']);
    is(status_of($second), 'locked lock_exists', 'interrupt: one more');
    my $job = $s->job_completes($first->{ai_job_id}) or return;
    is($job->{consolidated_messages}, 2, 'interrupt: both at once');
    ok($s->ledger('interrupt')->{ai}[0]{closed_early}, 'interrupt: the first AI call was aborted');
    all_answered_once('interrupt', qw(one two));
    return;
}

# ---- the same once more ----

sub repeated {
    my $first = running('again', 1.5, ['u hello', 'b hi', 'u what does it cost?']);
    my $id = $first->{ai_job_id};
    my $during = $s->chat('again', ['u hello', 'b hi', 'u what does it cost?']);
    is(status_of($during), 'locked lock_exists', 'while it runs: known');
    is_deeply([@{$during->json}{qw(ai_job_id lock_id consolidated_messages)}], [$id, $first->{lock_id}, 1], 'with its job');
    my @crowd = $s->burst([map { $s->chat_request('again', ['u hello', 'b hi', 'u what does it cost?']) } 1 .. 10]);
    is(scalar(grep { $_->status != 200 || $_->json->{ai_job_id} ne $id } @crowd), 0, 'however often');
    $s->job_completes($id) or return;
    my ($said) = map { $_->{ai_response}{response_text} } $s->replies('again');
    my %later = ('as it was' => ['u hello', 'b hi', 'u what does it cost?'], 'with the reply' => ['u hello', 'b hi', 'u what does it cost?', "b $said"],
        'a window of it' => ['b hi', 'u what does it cost?', "b $said"], 'with spaces' => ['u  hello ', "b hi\n", "u what  does\tit cost?"]);
    for my $how (sort keys %later) {
        my $answer = $s->chat('again', $later{$how});
        is(status_of($answer), 'already_processed none', "afterwards, $how: nothing is new");
        is_deeply([@{$answer->json}{qw(success ai_job_id lock_id consolidated_messages error)}], [JSON::PP::true, $id, undef, 0, undef], "afterwards, $how: the job that had it");
    }
    is(@{$s->ledger('again')->{ai}}, 1, 'the AI was asked once');
    my $next = $s->chat('again', ['u hello', 'b hi', 'u what does it cost?', "b $said", 'u what does it cost?']);
    is(status_of($next), 'ai_processing_started lock_acquired', 'a customer who says the same again is answered again');
    $s->job_completes($next->json->{ai_job_id});
    is(scalar(() = $s->replies('again')), 2, 'by another reply');
    return;
}

# Both responders at the same moment, many times: whoever is second finds what the first has stored.
sub repeated_at_once {
    my $rounds = $ENV{ROUNDS} || 12;
    my @answers = $s->burst([map { my $n = $_; map { $s->chat_request("twin$n", ["u one of $n", "u two of $n"], after => 0.1 * $n) } 1 .. 4 } 1 .. $rounds]);
    my @wrong = grep { my @four = @answers[4 * $_ .. 4 * $_ + 3]; my %ids = map { (($_->json || {})->{ai_job_id} // $_->text => 1) } @four; keys %ids != 1 } 0 .. $rounds - 1;
    is(scalar @wrong, 0, "the same request four times at once ($rounds times): one job") or diag(explain([map { $_->json } @answers[4 * $wrong[0] .. 4 * $wrong[0] + 3]]));
    my $begun = grep { $_->json->{status} eq 'ai_processing_started' } @answers;
    is($begun, $rounds, 'one of the four began it');
    for my $n (1 .. $rounds) {
        $s->job_completes($answers[4 * $n - 1]->json->{ai_job_id}) or next;
        is_deeply($s->answered_texts("twin$n"), {"one of $n" => 1, "two of $n" => 1}, "twin$n: answered once");
    }
    return;
}

# ---- both entrances ----

sub mixed {
    $s->control(conversation_id => 'mixed', ai => {delay_ms => Stack::delay_ms(1.5)});
    my $a = $s->background($s->message('mixed', 'a1', 'through A'));
    ok(wait_for('the AI call', 20, sub { @{$s->ledger('mixed')->{ai}} }), 'a turn of A runs');
    my $b = $s->chat('mixed', ['u through A', 'u through B']);
    is(status_of($b), 'locked lock_exists', 'B joins it');
    is($b->json->{consolidated_messages}, 2, 'and knows both messages');
    is($a->()->outcome, 'restart_needed', 'A is told that there is something newer');
    my $job = $s->job_completes($b->json->{ai_job_id}) or return;
    is($job->{consolidated_messages}, 2, 'the job has both');
    all_answered_once('mixed', 'through A', 'through B');

    my $open = running('mixed2', 1.5, 'through B');
    my $answer = $s->post_message('mixed2', 'a1', 'through A');
    is($answer->outcome, 'locked', 'A joins a job of B') or diag($answer->text);
    my $both = $s->job_completes($open->{ai_job_id}) or return;
    is($both->{consolidated_messages}, 2, 'which then has both');
    all_answered_once('mixed2', 'through A', 'through B');
    my $late = $s->post_message('mixed2', 'a1', 'through A');
    is($late->outcome, 'completed', 'and A is told so when it asks again') or diag($late->text);
    is(status_of($s->chat('mixed2', ['u through B', 'u through A'])), 'already_processed none', 'as is B');
    return;
}

# ---- nobody answers ----

sub silent {
    is($s->post_message('person', 'agent1', 'I take this one', sender_type => 'agent', sender_id => 'anna')->outcome, 'recorded', 'a person writes');
    my $answer = $s->chat('person', 'is this a person?');
    is(status_of($answer), 'recorded recorded', 'the bot is silent');
    is_deeply([@{$answer->json}{qw(success ai_job_id lock_id reason)}], [JSON::PP::true, undef, undef, 'bot_paused'], 'and says why');
    is(@{$s->ledger('person')->{ai}}, 0, 'the AI is not asked');

    my $job = running('taken', 1.5, 'one');
    $s->post_message('taken', 'agent1', 'I am here', sender_type => 'agent', sender_id => 'anna');
    my $ended = $s->job_ends($job->{ai_job_id}) or return;
    is($ended->{result}{pancake_result}{status} // 'none', 'withheld', 'a reply that was under way is withheld') or diag(explain($ended));
    is(scalar(() = $s->replies('taken')), 0, 'nothing is sent');

    my $off = $s->chat('off', 'hello', resources => {bot_id => 'off'});
    is(status_of($off) . ' ' . ($off->json->{reason} // ''), 'recorded recorded bot_disabled', 'a bot that is switched off');
    return;
}

sub undelivered {
    my $answer = $s->chat('quiet', 'only for whoever asks', resources => {bot_id => 'quiet'})->json;
    my $job = $s->job_completes($answer->{ai_job_id}) or return;
    is_deeply($job->{result}{pancake_result}, {status => 'skipped', reason => 'not_delivered', actions_executed => 0}, 'deliver: false') or diag(explain($job->{result}));
    like($job->{result}{ai_response}{response_text}, qr/only for whoever asks$/, 'the result has the reply');
    is(@{$s->ledger('quiet')->{platform}}, 0, 'the platform does not');
    my $next = $s->chat('quiet', ['u only for whoever asks', "b $job->{result}{ai_response}{response_text}", 'u more'])->json;
    $s->job_completes($next->{ai_job_id});
    is_deeply([$s->asked('quiet')], [['only for whoever asks'], ['more']], 'it counts as said');
    return;
}

for my $store (qw(sqlite redis)) {
    subtest $store => sub {
        my $absent = missing('lighttpd', $store eq 'redis' ? qw(redis postgres) : ());
        plan skip_all => "$absent is not installed" if $absent;
        $s = Stack->start(store => $store, env => {JOB_TTL => $JOB_TTL, AI_SERVICE_TIMEOUT => 300});
        ok(wait_for('the tables', 30, sub { $s->admin('/api/v1/admin/bots')->status == 200 }), 'it is up');
        $s->control(ai => {keep => JSON::PP::true});
        my $double = "http://127.0.0.1:$s->{double_port}";
        my $patience = Stack::delay_ms(1.5);
        $s->configure_services(['platforms', {name => 'quiet', provider => 'actions', base_url => $double, deliver => JSON::PP::false}],
            ['bots', {bot_id => 'quiet', name => 'Quiet', platform => 'quiet'}], ['bots', {bot_id => 'off', name => 'Off', enabled => JSON::PP::false}],
            map({ ['bots', {bot_id => $_, name => ucfirst, settings => {on_newer => $_}}] } qw(finish reject interrupt)),
            ['bots', {bot_id => 'patient', name => 'Patient', settings => {debounce_ms => $patience, max_wait_ms => $patience}}]);
        subtest 'queued, processing, completed' => \&states;
        subtest 'more while it runs'            => sub { restart(); finish(); reject(); interrupt() };
        subtest 'the same request again'        => \&repeated;
        subtest 'the same request at once'      => \&repeated_at_once;
        subtest 'both entrances'                => \&mixed;
        subtest 'nobody answers'                => \&silent;
        subtest 'nobody is sent anything'       => \&undelivered;
        is($s->double_stats->{$_}, 0, "no $_") for qw(duplicate_messages duplicate_keys fence_regressions);
        $s->end_well;
    };
}

done_testing;
