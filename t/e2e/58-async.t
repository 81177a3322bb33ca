#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# Answers that do not wait for the AI: on request, after SYNC_WAIT_MS, and when a process has to go.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use Test::More;
use Time::HiRes qw(sleep time);
use Stack;

# 202 with a job and where to ask; then the job completes.
sub check_job {
    my ($s, $answer, $conversation) = @_;
    is($answer->status, 202, 'HTTP status') or diag($answer->text);
    is($answer->outcome, 'processing', 'processing') or diag($answer->text);
    my $result = $answer->json->{result};
    ok(length($result->{job_id} // ''), 'job_id');
    is($result->{job_id}, $result->{turn_id} // $result->{job_id}, 'is the turn');
    like($result->{status_url} // '', qr{^/api/v1/chat/jobs/\Q$result->{job_id}\E$}, 'status_url');
    is($s->get($result->{status_url})->status, 401, 'which wants a credential');
    my $job = $s->get($result->{status_url}, $s->platform_headers);
    is($job->status, 200, 'status_url answers') or diag($job->text);
    is($job->json->{conversation_id}, $conversation, 'for this conversation');
    like($job->json->{status} // '', qr/^(queued|processing|completed)$/, 'with a status');
    my $done = wait_for('the job', 30, sub {
        my $a = $s->get($result->{status_url}, $s->platform_headers);
        return ($a->json->{status} // '') eq 'completed' && $a->json;
    });
    ok($done, 'it completes');
    ok($done && ref $done->{result} eq 'HASH', 'with its result');
    is(scalar(() = $s->replies($conversation)), 1, 'and one reply');
    return;
}

for my $part (['sqlite', 'lighttpd'], ['redis', 'apache']) {
    my ($store, $web) = @$part;
    subtest "$store behind $web" => sub {
        my $absent = missing($web, $store eq 'redis' ? 'redis' : ());
        plan skip_all => "$absent is not installed" if $absent;
        my $s = Stack->start(web => $web, store => $store, postgres => 0, env => {SYNC_WAIT_MS => 1500});

        $s->control(conversation_id => 'async', ai => {delay_ms => 1000});
        my $begin = time;
        my $answer = $s->post_message('async', 'm1', 'take your time', headers => {Prefer => 'respond-async'});
        cmp_ok(@{$s->ledger('async')->{platform}}, '==', 0, 'Prefer: respond-async is answered before the reply is there');
        check_job($s, $answer, 'async');

        $s->control(conversation_id => 'slow', ai => {delay_ms => 3000});
        check_job($s, $s->post_message('slow', 'm1'), 'slow');

        is($s->get('/api/v1/chat/jobs/no-such-job', $s->platform_headers)->status, 404, 'an unknown job is 404');
        is($s->get('/api/v1/chat/jobs/a%2Fb', $s->platform_headers)->status, 404, 'so is one with a slash');
        $s->end_well;
    };
}

# TERM to a responder with a running turn: the client is told, the turn ends once.
subtest 'drain' => sub {
    my $absent = missing('lighttpd');
    plan skip_all => "$absent is not installed" if $absent;
    for my $case (['in time', 1500, 20], ['too long', 6000, 1]) {
        my ($name, $delay_ms, $grace) = @$case;
        my $s = Stack->start(responders => 1, env => {SHUTDOWN_GRACE => $grace, PROCESSING_LOCK_TTL => 5});
        $s->control(conversation_id => 'drain', ai => {delay_ms => $delay_ms});
        my $answer = $s->background($s->message('drain', 'm1'));
        ok(wait_for('the AI call', 10, sub { @{$s->ledger('drain')->{ai}} > 0 }), "$name: a turn runs");
        $s->control(conversation_id => 'drain', ai => {delay_ms => 200});
        $s->responder(1)->signal('TERM');
        my $told = $answer->();
        is($told->outcome, $grace > 2 ? 'completed' : 'processing', "$name: the client gets its answer") or diag($told->text);
        ok($s->responder(1)->wait_end(bound(30)) && $s->responder(1)->status == 0, "$name: the responder ends with status 0");
        ok(wait_for('the reply', 30, sub { $s->replies('drain') }), "$name: the turn ends");
        sleep 1;
        is(scalar(() = $s->replies('drain')), 1, "$name: with one reply");
        $s->end_well(except => ['responder 1']);
    }
};

done_testing;
