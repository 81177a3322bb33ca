#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# Servers that go away and come back. Redis stopped or killed: within 2 s answers come as STORE_FALLBACK says, no request hangs, and what
# happened meanwhile holds when Redis is back. PostgreSQL down: nobody notices, and the archive catches up.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use List::Util qw(max);
use Test::More;
use Time::HiRes qw(sleep time);
use Stack;

my $number = 0;
sub fresh { $number++; return "outage$number" }

# What an answer looks like under each choice, once the host has noticed.
my %as_chosen = (
    embedded => sub { $_[0]->outcome eq 'completed' && $_[0]->json->{result}{storage_backend} eq 'SQLite' },
    spool    => sub { $_[0]->status == 202 && $_[0]->outcome eq 'queued' },
    reject   => sub { $_[0]->status == 503 && ($_[0]->header('Retry-After') // '') =~ /^\d+$/ },
);

sub on_redis { my $a = shift; return $a->outcome eq 'completed' && $a->json->{result}{storage_backend} eq 'Redis' }

# Posts fresh messages until one is answered as wanted; every single one has to be answered in time. Returns [conversation, answer] pairs.
sub post_until {
    my ($s, $seconds, $wanted) = @_;
    my ($begin, @all) = (time);
    my $got = wait_for('an answer of the wanted kind', $seconds, sub {
        my $conversation = fresh();
        my $answer = $s->post_message($conversation, 'm1', 'anybody there?');
        push @all, [$conversation, $answer];
        return $wanted->($answer);
    });
    note(sprintf '%d messages, %.1f s', scalar @all, time - $begin);
    diag('last answer: ' . $all[-1][1]->text) if !$got;
    return ($got, @all);
}

sub go_down { my ($s, $how) = @_; $how eq 'kill' ? $s->{redis}->kill9 : $s->{redis}->signal('STOP'); return }
sub come_back { my ($s, $how) = @_; $how eq 'kill' ? $s->start_redis : $s->{redis}->signal('CONT'); return }

sub redis_outage {
    my ($s, $choice, $how) = @_;
    my $before = fresh();
    ok(on_redis($s->post_message($before, 'm1')), 'before: Redis');

    # what Redis alone knows when it goes away is not known to the store that stands in
    wait_for('the archive', 20, sub { $s->redis('LLEN', 'message_queue') == 0 && $s->redis('EXISTS', 'message_queue:batches') == 0 });

    # a turn that runs when it happens
    my $hit = fresh();
    $s->control(conversation_id => $hit, ai => {delay_ms => 1500});
    my $during = $s->background($s->message($hit, 'm1'));
    wait_for('its AI call', 10, sub { @{$s->ledger($hit)->{ai}} > 0 });

    go_down($s, $how);
    my ($got, @meanwhile) = post_until($s, 2, $as_chosen{$choice});
    ok($got, "within 2 s answers come as $choice says");
    my @more = $s->burst([map { $s->message(fresh(), 'm1') } 1 .. 20]);
    is(scalar(grep { !$as_chosen{$choice}->($_) } @more), 0, 'so do 20 more at once')
        or diag((grep { !$as_chosen{$choice}->($_) } @more)[0]->text);
    my $slowest = max(map { $_->took } (map { $_->[1] } @meanwhile), @more);
    cmp_ok($slowest, '<', bound(5), 'no request hangs') or diag("$slowest s");
    is($s->get('/health')->status == 200 || $s->get('/health')->status == 503, 1, '/health answers');
    my $told = $during->();
    cmp_ok($told->status, '>', 0, 'the turn that was hit gets an answer') or diag($told->text);
    my $same = $s->post_message($before, 'm1') if $choice eq 'embedded';

    come_back($s, $how);
    my ($back) = post_until($s, 20, \&on_redis);
    ok($back, 'Redis back: it is used again');

    # everything that got a 2xx is answered, once
    my @accepted = grep { $_->[1]->status =~ /^2/ } @meanwhile;
    my $open = sub { grep { !$s->replies($_->[0]) } @accepted };
    ok(wait_for('the replies', 40, sub { !$open->() }), 'every accepted message is answered') or diag(join ' ', map { $_->[0] } $open->());
    is(scalar(grep { (() = $s->replies($_->[0])) > 1 } @accepted), 0, 'once');
    for my $pair ($accepted[-1] || ()) {
        my $again = wait_for('the retry', 20, sub { my $a = $s->post_message($pair->[0], 'm1', 'anybody there?'); $a->outcome eq 'completed' && $a });
        ok($again && $again->json->{result}{replayed}, 'its retry is recognised');
        is(scalar(() = $s->replies($pair->[0])), 1, 'and not answered again');
        my $next = $s->post_message($pair->[0], 'm2', 'and now?');
        is($next->outcome, 'completed', 'the conversation goes on');
        cmp_ok($s->ledger($pair->[0])->{ai}[-1]{messages}, '>=', 3, 'with what was said meanwhile as context');
    }
    my $late = wait_for('the turn that was hit', 40, sub {
        my $a = $s->post_message($hit, 'm1');
        return $a->outcome eq 'completed' && $a;
    });
    ok($late, 'the message of the turn that was hit comes to its end');
    my $sent = () = $s->replies($hit);
    is($sent, 1, 'with one reply') or diag(explain($s->ledger($hit)));
    return;
}

sub postgres_outage {
    my $s = shift;
    is($s->post_message(fresh(), 'm1')->outcome, 'completed', 'before');
    $s->kill_postgres;
    my $begin = $number;
    my @answers = $s->burst([map { $s->message(fresh(), 'm1') } 1 .. 50], connections => 25);
    is(scalar(grep { $_->outcome ne 'completed' } @answers), 0, 'PostgreSQL down: every message completes as before');
    cmp_ok(max(map { $_->took } @answers), '<', bound(5), 'without waiting for it');
    $s->start_postgres;
    my $ids = join ',', map { "'outage$_'" } $begin + 1 .. $begin + 50;
    ok(wait_for('the archive', 40, sub { ($s->psql_try("SELECT count(*) FROM messages WHERE conversation_id IN ($ids)") || [0])->[0] == 50 }),
        'PostgreSQL back: the archive catches up') or diag($s->psql("SELECT count(*) FROM messages WHERE conversation_id IN ($ids)"));
    is($s->psql("SELECT count(*) FROM message_actions WHERE conversation_id IN ($ids) AND status = 'executed'"), 50, 'actions too');
    return;
}

for my $choice (qw(embedded spool reject)) {
    for my $how (qw(stop kill)) {
        subtest "Redis: $how, STORE_FALLBACK=$choice" => sub {
            my $absent = missing(qw(lighttpd redis));
            plan skip_all => "$absent is not installed" if $absent;
            my $s = Stack->start(store => 'redis', postgres => 0, env => {STORE_FALLBACK => $choice, PROCESSING_LOCK_TTL => 4});
            redis_outage($s, $choice, $how);
            is($s->double_stats->{duplicate_messages}, 0, 'no message is covered twice');
            $s->end_well;
        };
    }
}

subtest 'PostgreSQL' => sub {
    my $absent = missing(qw(lighttpd redis postgres));
    plan skip_all => "$absent is not installed" if $absent;
    my $s = Stack->start(store => 'redis');
    postgres_outage($s);
    $s->end_well;
};

subtest 'the AI is away' => sub {
    my $absent = missing('lighttpd');
    plan skip_all => "$absent is not installed" if $absent;
    my $s = Stack->start(env => {AI_SERVICE_TIMEOUT => 2});
    $s->control(ai => {status => 503});
    my $answer = $s->post_message('patient', 'm1');
    is($answer->status, 202, 'the message is kept') or diag($answer->text);
    is($answer->outcome, 'queued', 'and retried');
    ok(length($answer->json->{result}{reason} // ''), 'with a reason');
    $s->control(ai => {status => undef});
    ok(wait_for('the reply', 60, sub { $s->replies('patient') }), 'the AI is back: it is answered');
    is(scalar(() = $s->replies('patient')), 1, 'once');
    $s->end_well;
};

subtest 'the platform is away' => sub {
    my $absent = missing('lighttpd');
    plan skip_all => "$absent is not installed" if $absent;
    my $s = Stack->start;
    $s->control(platform => {mode => 'fail_status', status => 503});
    my $answer = $s->post_message('patient', 'm1');
    is($answer->outcome, 'queued', 'the reply is kept') or diag($answer->text);
    $s->control(platform => {mode => undef});
    ok(wait_for('the reply', 60, sub { $s->replies('patient') }), 'the platform is back: it is sent');
    is(scalar(() = $s->replies('patient')), 1, 'once');
    $s->control(platform => {mode => 'success_false'});
    my $refused = $s->post_message('refused', 'm1');
    is($refused->json->{result}{pancake_result}{status}, 'failed', 'success: false is a failure, whatever the HTTP status') or diag($refused->text);
    $s->control(platform => {mode => 'cut_after_apply'});
    my $cut = $s->post_message('cut', 'm1');
    is($cut->json->{result}{pancake_result}{status}, 'unknown', 'a connection that is cut is an unknown outcome') or diag($cut->text);
    sleep 2;
    is(scalar @{$s->ledger('cut')->{platform}}, 1, 'and not sent again');
    $s->end_well;
};

done_testing;
