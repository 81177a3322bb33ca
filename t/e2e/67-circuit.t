#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# An AI or a platform that is down is asked now and then, not by everybody: messages are queued at once, nothing hammers it, and when it is
# back one call tries, then the others follow, and everything that waits is answered, in order, once.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use Test::More;
use Time::HiRes qw(sleep time);
use Stack;

my $processes = 3; # two responders and a daemon, each with breakers of its own
my $failures  = 3;

sub start {
    my ($store, %env) = @_;
    return Stack->start(store => $store, env => {%env, BREAKER_FAILURES => $failures, BREAKER_OPEN_MS => 3000, AI_SERVICE_RETRIES => 0});
}

sub reason { my $j = $_[0]->json; ref $j->{result} eq 'HASH' ? $j->{result}{reason} // '' : '' }

# How often a line with this message stands in the logs of turnkeeper's programs.
sub logged {
    my ($s, $what) = @_;
    my $n = 0;
    for my $p ($s->responders, $s->daemons) {
        open my $fh, '<', $p->{log} or next;
        $n += grep { /\Q$what\E/ } <$fh>;
    }
    return $n;
}

# Answers until `n` of them give this reason, at most 40.
sub until_reason {
    my ($s, $prefix, $reason, $n) = @_;
    my %seen;
    for my $i (1 .. 40) {
        my $a = $s->post_message("$prefix$i", 'm1');
        is($a->status, 202, 'HTTP status') if $i == 1;
        $seen{reason($a)}++;
        return \%seen if ($seen{$reason} // 0) >= $n;
    }
    return \%seen;
}

sub ai_down {
    my $store = shift;
    my $s = start($store);
    $s->control(ai => {status => 503});
    my $seen = until_reason($s, 'a', 'ai_circuit_open', 6);
    cmp_ok($seen->{ai_circuit_open} // 0, '>=', 6, 'soon calls are not made any more') or diag(explain($seen));
    cmp_ok($seen->{ai_unreachable} // 0, '<=', 2 * $failures, 'after as many failures as were allowed in each process');

    my $count = 120;
    my $before = @{$s->ledger->{ai}};
    my @answers = $s->burst([map { my $c = "q$_"; map { $s->message($c, $_) } qw(m1 m2) } 1 .. $count], connections => 1);
    is(scalar(grep { $_->status != 202 || $_->outcome ne 'queued' } @answers), 0, 'whatever comes is queued') or diag($answers[0]->text);
    cmp_ok(@{$s->ledger->{ai}} - $before, '<', $count / 4, 'and hardly anything of it reaches the AI');
    my @more = $s->burst([map { $s->message('q1', "n$_") } 1 .. 30], connections => 1);
    is(scalar(grep { $_->outcome ne 'queued' } @more), 0, 'messages to a queued conversation join it');
    cmp_ok(scalar @{$s->ledger('q1')->{ai}}, '<=', 4, 'without a call for each');
    my $each = sub { logged($s, 'the AI gave no answer') == @{$s->ledger->{ai}} }; # the daemon tries beside this
    ok(wait_for('the warnings', 10, $each), 'one warning for each call that was made') or diag($s->last_words(3));

    # that the daemon has tried by itself shows that the queue is looked at
    ok(wait_for('a probe', 30, sub { logged($s, 'circuit half-open') >= 1 }), 'one call tries from time to time');
    $s->control(ai => {status => undef, delay_ms => 100});
    my $since = time * 1000;
    my %wanted = map { ("q$_" => {m1 => 1, m2 => 1}) } 1 .. $count;
    $wanted{q1}{"n$_"} = 1 for 1 .. 30;
    my $all = sub { my $got = $s->covered_everywhere; !grep { my $c = $_; grep { !$got->{$c}{$_} } keys %{$wanted{$c}} } keys %wanted };
    ok(wait_for('all replies', 150, $all), 'when it is back, everything that waited is answered');
    my $got = $s->covered_everywhere;
    is_deeply({map { ($_ => $got->{$_}) } keys %wanted}, \%wanted, 'once');
    my ($reply) = $s->replies('q1');
    is_deeply([@{$reply->{message_ids}}[0, 1, 2]], [qw(m1 m2 n1)], 'in order');
    is_deeply([(grep { $_->{status} == 200 } @{$s->ledger('q2')->{ai}})[0]{message_ids}], [[qw(m1 m2)]], 'both messages in one question');

    my @good = sort { $a->{start_ms} <=> $b->{start_ms} } grep { $_->{status} == 200 } @{$s->ledger->{ai}};
    my ($first_end) = sort { $a <=> $b } map { $_->{end_ms} } @good;
    my $at_once = grep { $_->{start_ms} < $first_end } @good;
    cmp_ok($at_once, '<=', $processes, 'they did not come back together: one probe of each process was first');
    ok(wait_for('its end', 60, sub { logged($s, 'circuit recovering') > 0 }), 'the log says so');
    my $opened = logged($s, 'circuit open');
    cmp_ok($opened, '<=', 4 * $processes + 3, "once for each change: opened $opened times");
    is($s->post_message('z1', 'm1')->status, 200, 'a new message gets its answer') or wait_for('z1', 30, sub { $s->replies('z1') });
    $s->end_well;
    return;
}

sub platform_down {
    my $s = start('sqlite');
    $s->control(platform => {mode => 'fail_status', status => 503});
    my $seen = until_reason($s, 'a', 'platform_circuit_open', 6);
    cmp_ok($seen->{platform_circuit_open} // 0, '>=', 6, 'soon nothing is sent any more') or diag(explain($seen));
    my $asked = @{$s->ledger->{ai}};
    my $a;
    for my $i (1 .. 10) { $a = $s->post_message("b$i", 'm1') }
    is(reason($a), 'platform_circuit_open', 'further messages are queued');
    cmp_ok(@{$s->ledger->{ai}} - $asked, '<', 10, 'and the AI is not asked for answers that could not be sent');
    $s->control(platform => {mode => undef});
    my %wanted = map { ("b$_" => {m1 => 1}) } 1 .. 10;
    ok(wait_for('all replies', 120, sub { my $got = $s->covered_everywhere; !grep { !$got->{$_}{m1} } keys %wanted }), 'in the end all are answered');
    is_deeply([grep { $_ != 1 } map { $_->{m1} } values %{$s->covered_everywhere}], [], 'once');
    $s->end_well;
    return;
}

# A customer's fault is not the upstream's.
sub refusals {
    my $s = start('sqlite');
    $s->control(ai => {status => 400});
    my @a = map { $s->post_message("r$_", 'm1') } 1 .. 4 * $failures;
    is(scalar(grep { reason($_) eq 'ai_circuit_open' } @a), 0, 'an AI that refuses is there');
    is(logged($s, 'circuit open'), 0, 'nothing opens');
    $s->end_well;
    return;
}

# A key that is taken back is nobody's message's fault: whoever mends it finds all of them waiting.
sub denied {
    my $s = start('sqlite', JOB_MAX_ATTEMPTS => 1); # a refusal would be the end
    $s->control(ai => {status => 401});
    my $seen = until_reason($s, 'k', 'ai_circuit_open', 2);
    is(join(' ', sort keys %$seen), 'ai_circuit_open ai_denied', 'an AI that lets nobody in is asked now and then, as one that is away') or diag(explain($seen));
    my $n = $seen->{ai_circuit_open} + $seen->{ai_denied};
    ok(wait_for('a probe', 60, sub { logged($s, 'circuit half-open') >= 1 }), 'one call tries from time to time');
    $s->control(ai => {status => undef});
    ok(wait_for('all replies', 150, sub { my $got = $s->covered_everywhere; !grep { !$got->{"k$_"}{m1} } 1 .. $n }), 'when the key is good again, all are answered');
    is_deeply([grep { $_ != 1 } map { $_->{m1} } values %{$s->covered_everywhere}], [], 'once');
    $s->end_well;
    return;
}

plan skip_all => 'no lighttpd' if Stack::missing('lighttpd');
subtest 'the AI is away, SQLite' => sub { ai_down('sqlite') };
subtest 'the AI is away, Redis' => sub {
    my $missing = Stack::missing(qw(redis postgres));
    plan skip_all => "no $missing" if $missing;
    ai_down('redis');
};
subtest 'the platform is away' => \&platform_down;
subtest 'refusals' => \&refusals;
subtest 'a key that is taken back' => \&denied;
done_testing;
