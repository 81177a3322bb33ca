#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# kill -9 at the worst moments. In the AI call: the daemon answers, once. Between the platform's receipt and our record of it: nobody can
# know, so it is marked unknown and not sent again, unless the platform drops repeats by their key.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use Test::More;
use Time::HiRes qw(sleep time);
use Stack;

my $ttl = 4;

# Starts a turn in the only responder and waits until `what` of the ledger has an entry of it.
sub begin {
    my ($s, $conversation, $what, @headers) = @_;
    my $answer = $s->background($s->message($conversation, 'm1', 'hello', @headers));
    ok(wait_for("the $what entry", 20, sub { @{$s->ledger($conversation)->{$what}} > 0 }), "the turn has come to the $what");
    return $answer;
}

# The sender's retry of m1, until its turn has come to its end.
sub retried {
    my ($s, $conversation) = @_;
    my $last;
    my $answer = wait_for('the end of the turn', 30, sub {
        $last = $s->post_message($conversation, 'm1', 'hello');
        return $last->outcome eq 'completed' && $last;
    });
    diag($last->text) if !$answer;
    return $answer;
}

sub in_the_ai_call {
    my $s = shift;
    $s->control(ai => {delay_ms => 1500});
    my $answer = begin($s, 'asked', 'ai');
    my $begin = time;
    $s->responder(1)->kill9;
    ok(wait_for('the reply of the daemon', $ttl + 5, sub { $s->replies('asked') }), 'the daemon answers within the lease and 5 s')
        or diag($s->last_words(5));
    note(sprintf 'after %.1f s', time - $begin);
    cmp_ok($answer->()->status, '>=', 500, 'the client of the killed responder got an error');
    $s->start_responder(1);
    my $again = retried($s, 'asked');
    ok($again && $again->json->{result}{replayed}, 'its retry gets the reply') or diag($again && $again->text);
    sleep 1;
    is(scalar(() = $s->replies('asked')), 1, 'which was sent once');
    is(@{$s->ledger('asked')->{ai}}, 2, 'after two AI calls');
    return;
}

# With one daemon dead too, the other one does it.
sub daemon_too {
    my $s = shift;
    $s->control(conversation_id => 'twice', ai => {delay_ms => 2000});
    my $answer = begin($s, 'twice', 'ai');
    $s->responder(1)->kill9;
    $answer->();
    ok(wait_for("a daemon's AI call", $ttl + 10, sub { @{$s->ledger('twice')->{ai}} > 1 }), 'a daemon has taken the turn over');
    $s->daemon(1)->kill9;
    ok(wait_for('the reply', 2 * $ttl + 20, sub { $s->replies('twice') }), 'the turn is answered although a daemon was killed');
    $s->start_responder(1);
    $s->start_daemon(1);
    ok(retried($s, 'twice'), 'its retry gets the reply');
    is(scalar(() = $s->replies('twice')), 1, 'which was sent once');
    return;
}

sub after_the_receipt {
    my ($s, $idempotent) = @_;
    $s->control(ai => {delay_ms => 0}, platform => {delay_ms => 3000, times => 0});
    my $answer = begin($s, 'sent', 'platform');
    $s->responder(1)->kill9;
    $s->control(platform => {delay_ms => 0});
    $answer->();
    $s->start_responder(1);
    my $again = retried($s, 'sent') or return fail('the turn ends');
    my $status = $again->json->{result}{pancake_result}{status};
    my @posts = @{$s->ledger('sent')->{platform}};
    if ($idempotent) {
        is($status, 'success', 'the repeat under the same key succeeds');
        is(scalar @posts, 2, 'the platform has it twice');
        is($posts[0]{turn_id}, $posts[1]{turn_id}, 'under one key') if @posts == 2;
    }
    else {
        is($status, 'unknown', 'the outcome is marked unknown');
        sleep 2;
        is(scalar @{$s->ledger('sent')->{platform}}, 1, 'it is not sent again');
    }
    if ($s->{postgres}) {
        ok(wait_for('the archive', 20, sub {
            ($s->psql_try("SELECT status FROM message_actions WHERE conversation_id = 'sent'") || [''])->[0] eq ($idempotent ? 'executed' : 'unknown')
        }), 'so says the archive') or diag(join "\n", $s->psql('SELECT * FROM message_actions'));
    }
    # an unknown send holds the next turn until its own deadline has passed
    like($s->post_message('sent', 'm2', 'next')->outcome, qr/^(completed|queued)$/, 'the next message of the conversation is accepted');
    ok(wait_for('its reply', 30, sub { $s->covered('sent')->{m2} }), 'and answered');
    return;
}

for my $store (qw(sqlite redis)) {
    for my $idempotent (0, 1) {
        subtest "$store, PANCAKE_IDEMPOTENT=" . ($idempotent ? 'yes' : 'no') => sub {
            my $absent = missing('lighttpd', $store eq 'redis' ? qw(redis postgres) : ());
            plan skip_all => "$absent is not installed" if $absent;
            my $s = Stack->start(store => $store, responders => 1, daemons => 2, env => {
                PROCESSING_LOCK_TTL => $ttl, PANCAKE_TIMEOUT => 5, PANCAKE_IDEMPOTENT => $idempotent ? 'yes' : 'no'});
            if (!$idempotent) {
                in_the_ai_call($s);
                daemon_too($s);
            }
            after_the_receipt($s, $idempotent);
            my $stats = $s->double_stats;
            is($stats->{ai_max_parallel_per_conversation} <= 2, 1, 'a killed call may still be open at the AI, no more');
            is($stats->{fence_regressions}, 0, 'no fence goes back');
            $s->end_well;
        };
    }
}

done_testing;
