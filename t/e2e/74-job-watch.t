#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# How a client learns what becomes of its job: by a request that is held until the job has come a step on, and by a stream of events, through both web
# servers. Most of it also when the responder that is asked is not the one that took the job, and is not the daemon that works on it.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use JSON::PP ();
use Test::More;
use Time::HiRes qw(sleep time);
use Stack;
use Stack::Events;

my $s;

# A job whose AI takes as long as it is told to; `patient`: it is queued for a while first.
sub begin {
    my ($c, $delay_ms, %o) = @_;
    $s->control(conversation_id => $c, ai => {delay_ms => int $delay_ms});
    return $s->chat($c, 'tell me', resources => {bot_id => $o{patient} ? 'patient' : 'none'})->json->{ai_job_id};
}

sub watch {
    my ($id, %headers) = @_;
    return Stack::Events->open(port => $s->{port}, path => "$Stack::JOBS/$id/events", headers => {%{$s->platform_headers}, %headers});
}

sub states_of_job { return map { Stack::Client->decode($_->{data})->{status} } grep { defined $_->{data} } $_[0]->events }
sub has_ended { my $e = shift; return wait_for('the end of the stream', 40, sub { $e->read; $e->ended || $e->closed }) }

# The first event, or the whole answer when there are none.
sub has_begun { my $e = shift; return wait_for('the stream', 20, sub { $e->read; defined $e->status && ($e->events || $e->closed || $e->status != 200) }) }

sub held {
    my $id = begin('held', 1500, patient => 1);
    my $began = time;
    my $first = $s->ask_job($id, '?wait=50');
    is($first->status . ' ' . $first->json->{status}, '200 processing', '?wait= is answered when a queued job is begun') or diag($first->text);
    cmp_ok($first->took, '<', bound(12), 'not at its deadline');
    my $second = $s->ask_job($id, '?wait=50');
    is($second->json->{status}, 'completed', 'and when it has ended');
    cmp_ok(time - $began, '>=', 1.4, 'not before');
    cmp_ok($second->took, '<', bound(12), 'nor at the deadline');
    is_deeply($second->json, $s->job($id), 'with what anybody else sees');
    my $ended = $s->ask_job($id, '?wait=50');
    cmp_ok($ended->took, '<', bound(5), 'one that has ended is not waited for');

    $id = begin('deadline', 120_000);
    $s->job_comes_to($id, 20, 'processing');
    my $late = $s->ask_job($id, '?wait=1.5');
    is($late->status . ' ' . $late->json->{status}, '200 processing', 'nothing happens: as it is');
    cmp_ok($late->took, '>=', 1.4, 'at the deadline');
    my @crowd = map { $s->background({path => "$Stack::JOBS/$id?wait=50", headers => $s->platform_headers}) } 1 .. 5;
    sleep 0.5; # most of them wait by now; it would do if none did
    is($s->ask_job($id, '', method => 'DELETE')->status, 200, 'it is cancelled');
    my @told = map { $_->() } @crowd;
    is_deeply([map { $_->json->{status} } @told], [('cancelled') x 5], 'all who wait are told');
    my %wrong = ('61' => 422, '-1' => 422, 'soon' => 422, '1e1' => 422);
    is($s->ask_job($id, "?wait=$_")->status, $wrong{$_}, "?wait=$_") for sort keys %wrong;
    is($s->ask_job('no-such-job', '?wait=50')->status, 404, 'an unknown job is not waited for');
    return;
}

sub many_held {
    my @ids = map { begin("crowd$_", 1500) } 1 .. 40;
    my @answers = $s->burst([map { {path => "$Stack::JOBS/$_?wait=50", headers => $s->platform_headers} } (@ids) x 2]);
    my @again = $s->burst([map { {path => "$Stack::JOBS/$_?wait=50", headers => $s->platform_headers} } (@ids) x 2]);
    my %seen;
    $seen{$_->json->{status} // $_->text}++ for @answers, @again;
    ok(!(grep { !/^(processing|completed)$/ } keys %seen), '80 requests are held at once') or diag(explain(\%seen));
    is(scalar(grep { !$s->job_completes($_) } @ids), 0, 'and every job completes');
    return;
}

sub events {
    my $id = begin('events', Stack::delay_ms(1.5), patient => 1);
    my $e = watch($id);
    ok(has_begun($e), 'the stream begins') or return diag($e->{raw});
    is($e->status, 200, 'with 200');
    like($e->header('Content-Type') // '', qr{^text/event-stream}, 'server-sent events');
    like($e->header('Cache-Control') // '', qr/no-(store|cache)/, 'that nobody caches');
    my $state = wait_for('the queued state', 10, sub { (states_of_job($e))[0] });
    is($state // '', 'queued', 'what it is now comes first') or diag(explain($e->{events}));
    ok(wait_for('the next state', 20, sub { (states_of_job($e)) >= 2 }), 'a step on is told at once');
    my $second = watch($id);
    ok(has_begun($second), 'a second client');
    ok(has_ended($e), 'after the end the stream ends');
    is_deeply([states_of_job($e)], [qw(queued processing completed)], 'every state once, in order');
    my @told = grep { defined $_->{data} } $e->events;
    is_deeply([map { $_->{event} } @told], [('job') x 3], 'event: job');
    my %ids = map { ($_->{id} => 1) } @told;
    is(scalar(keys %ids), 3, 'each has an id of its own');
    is_deeply(Stack::Client->decode($told[-1]{data}), $s->job($id), 'data: the job, as GET shows it');
    ok(has_ended($second), 'the second client\'s ends, too');
    is_deeply([states_of_job($second)], [qw(processing completed)], 'with what was new to it');

    my $resumed = watch($id, 'Last-Event-ID' => $told[1]{id});
    ok(has_ended($resumed), 'whoever comes again');
    is_deeply([states_of_job($resumed)], ['completed'], 'is told what it has not seen');
    is($s->ask_job($id, '/events', headers => {%{$s->platform_headers}, 'Last-Event-ID' => $told[2]{id}})->status, 204, 'one that has seen the end gets 204');
    my $whole = watch($id);
    ok(has_ended($whole) && "@{[states_of_job($whole)]}" eq 'completed', 'one that has seen nothing gets the end');
    is($s->ask_job('no-such-job', '/events')->status, 404, 'an unknown job is 404');
    return;
}

# Somebody who hangs up, a resume in the middle, a cancel, a restart.
sub events_of_other_ends {
    my $id = begin('hung-up', Stack::delay_ms(2));
    my $gone = watch($id);
    ok(has_begun($gone), 'a client');
    my ($seen) = grep { defined $_->{id} } @{[wait_for('an event', 10, sub { my @e = grep { defined $_->{id} } $gone->events; @e && $e[-1] })]};
    $gone->hang_up;
    my $back = watch($id, 'Last-Event-ID' => $seen->{id});
    ok(has_ended($back), 'that hangs up and comes again');
    my @rest = states_of_job($back);
    is($rest[-1], 'completed', 'sees the end');
    ok(!(grep { $_->{id} && $_->{id} eq $seen->{id} } $back->events), 'and not again what it saw');

    $id = begin('called-off', 120_000);
    $s->job_comes_to($id, 20, 'processing');
    my $e = watch($id);
    has_begun($e);
    $s->ask_job($id, '/cancel', method => 'POST');
    ok(has_ended($e), 'a job is cancelled');
    is((states_of_job($e))[-1], 'cancelled', 'and its stream says so');

    $id = begin('renewed', Stack::delay_ms(1));
    $s->job_comes_to($id, 20, 'processing');
    $e = watch($id);
    has_begun($e);
    my $other = $s->chat('renewed', ['u tell me', 'u all of it'])->json->{ai_job_id};
    my $joined = watch($other);
    ok(has_ended($e) && has_ended($joined), 'a job that is begun anew for a newer message');
    my @last = map { my @d = grep { defined $_->{data} } $_->events; Stack::Client->decode($d[-1]{data}) } $e, $joined;
    is_deeply([map { [@$_{qw(status consolidated_messages)}] } @last], [['completed', 2], ['completed', 2]], 'both ids are told the same end');
    return;
}

# A responder that has to go ends its streams and held requests; the clients go on with another one.
sub drained {
    my $id = begin('drained', Stack::delay_ms(4));
    $s->job_comes_to($id, 20, 'processing');
    my @streams = map { watch($id) } 1 .. 4;
    has_begun($_) for @streams;
    my @held = map { $s->background({path => "$Stack::JOBS/$id?wait=50", headers => $s->platform_headers}) } 1 .. 4;
    sleep 0.3; # that some of them wait makes it a better test, not a different one
    $s->responder(1)->signal('TERM');
    ok($s->responder(1)->wait_end(bound(30)) && $s->responder(1)->status == 0, 'a responder drains while clients wait');
    $s->start_responder(1);
    my %answers;
    $answers{$_->status}++ for map { $_->() } @held;
    is_deeply(\%answers, {200 => 4}, 'who held a request has an answer');
    $s->job_completes($id) or return;
    ok(!(grep { !has_ended($_) } @streams), 'streams end') or return;
    for my $e (@streams) {
        my @seen = grep { defined $_->{id} } $e->events;
        next if Stack::Client->decode($seen[-1]{data})->{status} eq 'completed';
        my $again = watch($id, 'Last-Event-ID' => $seen[-1]{id});
        has_ended($again);
        push @{$e->{events}}, $again->events;
    }
    is(scalar(grep { (states_of_job($_))[-1] ne 'completed' } @streams), 0, 'and every client comes to see the end');
    return;
}

for (['sqlite', 'lighttpd'], ['redis', 'lighttpd'], ['redis', 'apache']) {
    my ($store, $web) = @$_;
    subtest "$store behind $web" => sub {
        my $absent = missing($web, $store eq 'redis' ? qw(redis postgres) : ());
        plan skip_all => "$absent is not installed" if $absent;
        $s = Stack->start(web => $web, store => $store, env => {AI_SERVICE_TIMEOUT => 300});
        ok(wait_for('the tables', 30, sub { $s->admin('/api/v1/admin/bots')->status == 200 }), 'it is up');
        my $patience = Stack::delay_ms(1.5);
        $s->configure_services(['bots', {bot_id => 'patient', name => 'Patient', settings => {debounce_ms => $patience, max_wait_ms => $patience}}]);
        subtest 'a request that is held'  => \&held;
        subtest 'many of them'            => \&many_held;
        subtest 'events'                  => \&events;
        subtest 'events of other ends'    => \&events_of_other_ends;
        subtest 'a responder has to go'   => \&drained;
        $s->end_well;
    };
}

done_testing;
