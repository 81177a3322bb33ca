#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# Leases: a turn that takes longer than the lease's TTL keeps it; a process that was stopped past its lease sends nothing afterwards.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use Test::More;
use Time::HiRes qw(sleep);
use Stack;

my $ttl = 2;

# An AI call of three TTLs: the responder renews, the daemon leaves it alone.
sub longer_than_the_ttl {
    my $s = shift;
    $s->control(conversation_id => 'long', ai => {delay_ms => 6000});
    my $answer = $s->background($s->message('long', 'm1'));
    if ($s->{store} eq 'redis') {
        my $token = wait_for('the lock', 10, sub { $s->redis('GET', 'lock:long') });
        my ($looks, $same) = (0, 0);
        while (!@{$s->ledger('long')->{platform}} && $looks < 1000) {
            my $now = $s->redis('GET', 'lock:long');
            last if @{$s->ledger('long')->{platform}};
            $looks++;
            $same++ if defined $now && $now eq $token;
            sleep 0.1;
        }
        cmp_ok($looks, '>', 10, 'the lock was watched');
        is($same, $looks, 'and held by one token all the time');
    }
    is($answer->()->outcome, 'completed', 'the turn completes where it began');
    is(@{$s->ledger('long')->{ai}}, 1, 'after one AI call');
    is(scalar(() = $s->replies('long')), 1, 'with one reply');
    return;
}

# Stopped in the AI call: another process takes over, and the one that wakes up has lost.
sub stopped_in_the_ai_call {
    my $s = shift;
    $s->control(conversation_id => 'stopped', ai => {delay_ms => 1000});
    my $answer = $s->background($s->message('stopped', 'm1'));
    ok(wait_for('the AI call', 20, sub { @{$s->ledger('stopped')->{ai}} > 0 }), 'the AI is asked');
    $s->responder(1)->signal('STOP');
    ok(wait_for('the reply of the daemon', $ttl + 15, sub { $s->replies('stopped') }), 'past the TTL the daemon answers');
    $s->responder(1)->signal('CONT');
    my $told = $answer->();
    like($told->outcome, qr/^(processing|completed|locked)$/, 'the client is told that another process answers') or diag($told->text);
    sleep 1.5;
    my $ledger = $s->ledger('stopped');
    is(@{$ledger->{platform}}, 1, 'the one that woke up sends nothing');
    is(scalar @{$ledger->{platform}[0]{message_ids}}, 1, 'the reply covers the message');
    my $again = $s->post_message('stopped', 'm1');
    is($again->outcome, 'completed', 'a retry is told the outcome');
    is($again->json->{result}{turn_id}, $ledger->{platform}[0]{turn_id}, 'of the turn that was sent') or diag($again->text);
    return;
}

# Stopped while the platform has the request: nobody sends again, the outcome is known once the owner wakes up or its deadline passes.
sub stopped_while_sending {
    my $s = shift;
    $s->control(conversation_id => 'sending', platform => {delay_ms => 500});
    my $answer = $s->background($s->message('sending', 'm1'));
    ok(wait_for('the request to the platform', 20, sub { @{$s->ledger('sending')->{platform}} > 0 }), 'the platform has the reply');
    $s->responder(1)->signal('STOP');
    sleep 3 * $ttl;
    is(@{$s->ledger('sending')->{platform}}, 1, 'nobody sends it again past the TTL');
    $s->responder(1)->signal('CONT');
    my $told = $answer->();
    like($told->outcome, qr/^(completed|processing)$/, 'the client gets its answer') or diag($told->text);
    sleep 1;
    is(@{$s->ledger('sending')->{platform}}, 1, 'nor does the one that woke up');
    is($s->post_message('sending', 'm2')->outcome, 'completed', 'the next message is answered');
    return;
}

# Deleting the key by hand ends the lease.
sub deleted_by_hand {
    my $s = shift;
    $s->control(conversation_id => 'deleted', ai => {delay_ms => 1500});
    my $answer = $s->background($s->message('deleted', 'm1'));
    ok(wait_for('the lock', 10, sub { $s->redis('DEL', 'lock:deleted') }), 'somebody deletes lock:<id>');
    ok(wait_for('the reply', $ttl + 15, sub { $s->replies('deleted') }), 'the message is answered all the same');
    $answer->();
    sleep 2;
    is(@{$s->ledger('deleted')->{platform}}, 1, 'once');
    return;
}

for my $store (qw(sqlite redis)) {
    subtest $store => sub {
        my $absent = missing('lighttpd', $store eq 'redis' ? qw(redis postgres) : ());
        plan skip_all => "$absent is not installed" if $absent;
        my $s = Stack->start(store => $store, responders => 1, env => {PROCESSING_LOCK_TTL => $ttl, PANCAKE_TIMEOUT => 3});
        longer_than_the_ttl($s);
        stopped_in_the_ai_call($s);
        stopped_while_sending($s);
        deleted_by_hand($s) if $store eq 'redis';
        is($s->double_stats->{fence_regressions}, 0, 'no fence goes back');
        $s->end_well;
    };
}

done_testing;
