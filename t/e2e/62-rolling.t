#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# Every process is replaced while messages come in: no request that the web server has handed over fails, every message is answered, once.
# A second TERM, and INT, end a process at once. Three daemons share what is due.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use POSIX ();
use Test::More;
use Time::HiRes qw(sleep time);
use Stack;

# Messages of one conversation after the other from a process of its own, in batches, until the file `stop` is there.
# Returns a code reference that waits for its end and gives [[id, status, outcome], ...].
sub load {
    my ($s, $name, $stop) = @_;
    my $pid = open(my $from_child, '-|') // die "fork: $!";
    if (!$pid) {
        my ($n, @told) = (0);
        while (!-e $stop) {
            my @ids = map { $n++ } 1 .. 20;
            my @requests = map {
                my ($i, $c) = ($_, "$name$ids[$_]");
                # every fourth conversation gets a second message while the first is thought about
                ($s->message($c, 'm1', undef, after => $i * 0.05), $i % 4 ? () : $s->message($c, 'm2', undef, after => $i * 0.05 + 0.1))
            } 0 .. $#ids;
            @requests = sort { $a->{after} <=> $b->{after} } @requests;
            my @answers = $s->burst(\@requests);
            push @told, map {
                my $j = $requests[$_]{json};
                ["$j->{conversation_id} $j->{message_id}", $answers[$_]->status, $answers[$_]->outcome, $answers[$_]->text]
            } 0 .. $#answers;
        }
        print Stack::Client->encode(\@told);
        close STDOUT;
        POSIX::_exit(0);
    }
    return sub {
        my $text = do { local $/; <$from_child> };
        close $from_child;
        return @{Stack::Client->decode($text) || []};
    };
}

sub is_up {
    my $p = shift;
    my $pid = $p->pid;
    open my $fh, '<', $p->{log} or return 0;
    return scalar grep { /"pid":$pid,.* is up"/ } <$fh>;
}

# One after the other: TERM, its end, a new one.
sub replace {
    my ($s, $kind, $n) = @_;
    my $old = $s->$kind($n);
    $old->signal('TERM');
    ok($old->wait_end(bound(40)) && $old->status == 0, "$kind $n drains and ends with status 0") or diag($old->status // 'it still runs');
    my $start = "start_$kind";
    my $new = $s->$start($n);
    ok(wait_for("$kind $n", 20, sub { is_up($new) }), "a new $kind $n is up");
    return;
}

sub rolling {
    my ($web, $store) = @_;
    my $s = Stack->start(web => $web, store => $store, shared => 1, responders => 4, daemons => 2);
    my $stop = "$s->{dir}/stop";
    $s->control(ai => {delay_ms => 300});
    my @loads = map { load($s, $_, $stop) } qw(a b);
    wait_for('some replies', 20, sub { $s->double_stats->{platform}{calls} // $s->replies > 5 });
    for my $round (1 .. 2) {
        replace($s, 'responder', $_) for 1 .. 4;
        replace($s, 'daemon', $_) for 1 .. 2;
    }
    open my $fh, '>', $stop or die $!;
    close $fh;
    my @told = map { $_->() } @loads;
    cmp_ok(scalar @told, '>', 100, "messages went in: " . @told);
    my @bad = grep { $_->[1] < 200 || $_->[1] > 299 } @told;
    is(scalar @bad, 0, 'every one got a 2xx') or diag(join "\n", map { "$_->[0]: $_->[3]" } @bad[0 .. ($#bad < 9 ? $#bad : 9)]);
    my %outcomes;
    $outcomes{$_->[2]}++ for @told;
    note(join ', ', map { "$_: $outcomes{$_}" } sort keys %outcomes);
    my %wanted;
    for (@told) { my ($c, $m) = split / /, $_->[0]; $wanted{$c}{$m} = 1 }
    wait_for('all replies', 60, sub { my $got = $s->covered_everywhere; !grep { my $c = $_; grep { !$got->{$c}{$_} } keys %{$wanted{$c}} } keys %wanted });
    is_deeply($s->covered_everywhere, \%wanted, 'each message is answered, once');
    $s->end_well;
    return;
}

sub at_once {
    my $s = Stack->start(responders => 2, daemons => 1, shared => 1);
    $s->control(ai => {delay_ms => 8000});
    my $answer = $s->background($s->message('slow', 'm1'));
    ok(wait_for('the AI call', 10, sub { @{$s->ledger('slow')->{ai}} > 0 }), 'a turn runs');
    for my $signal (qw(TERM INT)) {
        $_->signal($signal) for $s->responders;
        next if $signal eq 'INT';
        wait_for('the drain', 20, sub { !grep { my $p = $_; !grep { /draining/ } $p->tail(1000) } $s->responders });
        my ($idle) = grep { !$_->alive } $s->responders;
        ok(wait_for('the idle one', 20, sub { grep { !$_->alive } $s->responders }), 'one that has nothing to do ends');
        is(scalar(grep { $_->alive } $s->responders), 1, 'the other one waits for its turn');
    }
    my $begin = time;
    ok($_->wait_end(bound(3)), $_->name . ' ends at the second signal') for $s->responders;
    is($_->status, 0, 'with status 0') for $s->responders;
    cmp_ok($answer->()->status, '>=', 500, 'the client hears that');
    $s->start_responder($_) for 1, 2;
    $s->control(ai => {delay_ms => 0});
    ok(wait_for('the reply', 60, sub { $s->replies('slow') }), 'and the daemon answers the message');
    $s->end_well(except => ['responder 1', 'responder 2']);
    return;
}

# Turns that ended so, by daemon.
sub turns_of {
    my ($s, $status) = @_;
    my %n;
    for my $d ($s->daemons) {
        open my $fh, '<', $d->{log} or next;
        $n{$d->name} = grep { /"message":"turn ended".*"status":"$status"/ } <$fh>;
    }
    return \%n;
}

sub shared_work {
    my $store = shift;
    my $s = Stack->start(store => $store, responders => 1, daemons => 3, env => {BREAKER_FAILURES => 0, AI_SERVICE_RETRIES => 0});
    my $count = 90;
    $s->control(ai => {status => 503});
    my @answers = $s->burst([map { $s->message("q$_", 'm1') } 1 .. $count], connections => 20);
    is(scalar(grep { $_->outcome eq 'queued' } @answers), $count, "$count conversations are queued while the AI is away");
    # until all daemons are at it: each has put some back
    ok(wait_for('every daemon', 60, sub { my $t = turns_of($s, 'queued'); 3 == grep { $_ > 0 } values %$t }), 'every daemon tries');
    $s->control(ai => {status => undef, delay_ms => 200});
    ok(wait_for('all replies', 90, sub { scalar(keys %{$s->covered_everywhere}) == $count }), 'when it is back, all are answered');
    is_deeply($s->covered_everywhere, {map { ("q$_" => {m1 => 1}) } 1 .. $count}, 'once');
    my @doubled = grep { my $c = "q$_"; (grep { ($_->{parallel} // 1) > 1 } @{$s->ledger($c)->{ai}}) > 0 } 1 .. $count;
    is("@doubled", '', 'the AI is never asked twice at the same time about one conversation');
    my $turns = wait_for('the logs', 10, sub { my $t = turns_of($s, 'completed'); my $sum = 0; $sum += $_ for values %$t; $sum == $count && $t });
    is(scalar(grep { $_ >= $count / 20 } values %{$turns || {}}), 3, 'all three daemons have had their part')
        or diag(join ', ', map { "$_: $turns->{$_}" } sort keys %{$turns || {}});
    $s->end_well;
    return;
}

for my $pair (['lighttpd', 'sqlite'], ['lighttpd', 'redis'], ['apache', 'sqlite'], ['apache', 'redis']) {
    my ($web, $store) = @$pair;
    subtest "all processes are replaced: $web, $store" => sub {
        my $missing = Stack::missing($web, $store eq 'redis' ? qw(redis postgres) : ());
        plan skip_all => "no $missing" if $missing;
        rolling($web, $store);
    };
}
subtest 'a second signal' => sub { plan skip_all => 'no lighttpd' if Stack::missing('lighttpd'); at_once() };
for my $store (qw(sqlite redis)) {
    subtest "three daemons, $store" => sub {
        my $missing = Stack::missing('lighttpd', $store eq 'redis' ? qw(redis postgres) : ());
        plan skip_all => "no $missing" if $missing;
        shared_work($store);
    };
}
done_testing;
