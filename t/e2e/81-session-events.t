#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# What happens in a session, told as server-sent events: what is told, once and in order, to whoever listens, goes away and comes back, whichever way
# messages come in; who may listen; and what is told of what cannot be told any more.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use JSON::PP ();
use Test::More;
use Time::HiRes qw(sleep time);
use Stack;
use Stack::Sessions;

my $s;

sub types { return join ' ', map { $_->{type} eq 'typing' ? ($_->{typing} ? 'typing' : 'idle') : $_->{type} } @_ }
sub is_in_order {
    my ($name, $first, @events) = @_;
    return is_deeply([map { $_->{seq} } @events], [$first .. $first + $#events], "$name: numbers without gaps");
}
sub ids_match { my $e = shift; return !grep { defined $_->{data} && $_->{id} ne Stack::Client->decode($_->{data})->{seq} } $e->events }

sub told {
    my $early = $s->listen_to('told');
    wait_for('the stream', 20, sub { $early->read; $early->status });
    is($early->status, 200, 'one can listen to what has not begun yet');
    like($early->header('Content-Type') // '', qr{^text/event-stream}, 'server-sent events');
    my $said = $s->say('told', 'good morning', message_id => 'm1', metadata => {page => 7})->json;
    $s->hears($early, 'job') or return;
    my @heard = $s->heard($early);
    is(types(@heard), 'message typing reply job', 'a message, that it is worked on, the reply, the end of the job');
    is_in_order('it', 1, @heard);
    ok(ids_match($early), 'id: is the number');
    my ($message, $typing, $reply, $job) = @heard;
    is_deeply([@$message{qw(session_id message_id content sender_id sender_type metadata)}], ['told', 'm1', 'good morning', 'user of told', 'user', {page => 7}],
        'the message as it was sent');
    is_deeply([$reply->{message_ids}, $reply->{job_id}, $reply->{status}], [['m1'], $said->{job_id}, 'success'], 'the reply says what it answers');
    is($reply->{content}, ($s->replies('told'))[0]{ai_response}{response_text}, 'with its text');
    is_deeply([@$job{qw(job_id status)}], [$said->{job_id}, 'completed'], 'the job');

    my $late = $s->listen_to('told', after => 0);
    $s->hears($late, 'job');
    is_deeply([$s->heard($late)], \@heard, 'who comes later and asks from the beginning gets the same');
    my $middle = $s->listen_to('told', headers => {%{$s->platform_headers}, 'Last-Event-ID' => 2}, after => 0);
    $s->hears($middle, 'job');
    is(types($s->heard($middle)), 'reply job', 'Last-Event-ID counts more than ?after=');
    my $from_now = $s->listen_to('told');
    wait_for('the stream', 20, sub { $from_now->read; $from_now->status });

    $s->post_message('told', 'a1', 'over A');
    $s->chat('told', ['u over B']);
    ok(wait_for('both answers', 40, sub { grep({ $_->{type} eq 'reply' } $s->heard($late)) >= 3 }), 'what comes through the other entrances is told, too');
    is_deeply({map { ($_->{content} => 1) } grep { $_->{type} eq 'message' } $s->heard($late)}, {'good morning' => 1, 'over A' => 1, 'over B' => 1}, 'each message');
    is_deeply({map { map { ($_ => 1) } @{$_->{message_ids}} } grep { $_->{type} eq 'reply' } $s->heard($late)},
        {map { ($_->{message_id} => 1) } grep { $_->{type} eq 'message' } $s->heard($late)}, 'each is answered');
    my $last = ($s->heard($late))[-1]{seq};
    for ([$early, 1], [$late, 1], [$middle, 3], [$from_now, 5]) {
        my ($e, $first) = @$_;
        wait_for('the last event', 20, sub { (($s->heard($e))[-1] // {})->{seq} // 0 >= $last });
        is_in_order("listener from $first", $first, $s->heard($e));
    }
    return;
}

sub state {
    my $e = $s->listen_to('state', after => 0);
    $s->say('state', 'hello', sender_type => 'system', sender_id => 'shop');
    $s->say('state', 'I am a person', sender_type => 'agent', sender_id => 'lan');
    my $taken = $s->hears($e, 'status') or return;
    is_deeply([@$taken{qw(status check_reply)}], ['active', JSON::PP::false], 'a person takes over');
    cmp_ok($taken->{check_reply_until}, '>', time + 60, 'for a while');
    $s->say('state', 'thank you');
    $s->hears($e, 'message', content => 'thank you');
    $s->patch_session('state', check_reply => JSON::PP::true);
    ok(wait_for('the change', 20, sub { grep { $_->{type} eq 'status' && $_->{check_reply} } $s->heard($e) }), 'and gives it back');
    $s->patch_session('state', status => 'closed');
    ok($s->hears($e, 'status', status => 'closed'), 'closed');
    is(types($s->heard($e)), 'message message status message status status', 'nothing else');
    is_in_order('it', 1, $s->heard($e));
    $s->control(conversation_id => 'failing', ai => {status => 400});
    my $failing = $s->listen_to('failing', after => 0);
    $s->say('failing', 'hello');
    my $job = $s->hears($failing, 'job') or return;
    is($job->{status}, 'failed', 'a job that fails');
    ok(length $job->{reason}, 'and why');
    is(($s->heard($failing))[-1]{seq}, scalar(my @all = $s->heard($failing)), 'in order');
    ok((grep { $_->{type} eq 'typing' && !$_->{typing} } $s->heard($failing)), 'nobody waits for a reply any more');
    return;
}

sub access {
    my $get = sub { my ($path, $headers) = @_; return $s->get("$Stack::SESSIONS/$path", $headers // {}) };
    is($get->('mine/events')->status, 401, 'nobody listens without a credential');
    is($get->('mine/events?ticket=nonsense')->status, 401, 'nor with a false ticket');
    my $made = $s->client->request(path => '/api/v1/tickets', headers => $s->platform_headers, json => {session_id => 'mine'});
    is($made->status, 201, 'a ticket') or diag($made->text);
    my $ticket = $made->json->{ticket};
    cmp_ok(abs($made->json->{expires_at} - time - 600), '<', 60, 'for ten minutes');
    is($get->("other/events?ticket=$ticket")->status, 403, 'not for another session');
    is($get->("mine?ticket=$ticket")->status, 401, 'and not for anything else');
    is($s->client->request(path => '/api/v1/tickets', json => {session_id => 'mine'})->status, 401, 'nobody makes one without a credential');
    is($s->client->request(path => '/api/v1/tickets', headers => $s->platform_headers, json => {})->status, 422, 'or without a session');
    my @streams = map { $s->listen_to('mine', ticket => $ticket, after => 0) } 1 .. 3;
    $s->say('mine', 'hello');
    ok($s->hears($_, 'reply'), 'it opens the stream, more than once') for @streams;
    my $admin = $s->listen_to('mine', after => 0, headers => $s->admin_headers);
    ok($s->hears($admin, 'reply'), 'administrators may listen');
    is($get->("mine/events?after=$_", $s->platform_headers)->status, 422, "after=$_") for qw(-1 x 1.5);
    my $logged = join '', map { open my $fh, '<', $_ or die $!; local $/; <$fh> } glob "$s->{dir}/logs/*.log";
    unlike($logged, qr/\Q$ticket\E/, 'no ticket stands in a log');
    return;
}

# More than is kept, and a listener that comes back too late.
sub missed {
    my $n = 520;
    $s->burst([map { $s->say_request('much', "text $_", message_id => "n$_", sender_type => 'system') } 1 .. $n], connections => 20);
    my $e = $s->listen_to('much', after => 3);
    ok(wait_for('the last event', 30, sub { (($s->heard($e))[-1] // {})->{seq} // 0 >= $n && (($s->heard($e))[-1])->{seq} == $n }), 'the rest comes') or return;
    my ($first, @rest) = $s->heard($e);
    is($first->{type}, 'reset', 'what is lost is told first');
    is_deeply([@$first{qw(seq missed)}], [20, 17], 'how much it is, as the number before the first that follows');
    is_in_order('the 500 that are kept', 21, @rest);
    is(scalar(@rest), 500, 'all of them');
    return;
}

# Listeners that are cut and come back while others write; responders go and come.
sub resumed {
    my @ears = map { {e => $s->listen_to('busy', after => 0), got => []} } 1 .. 6;
    my $listen_again = sub {
        my $ear = shift;
        push @{$ear->{got}}, $s->heard($ear->{e});
        $ear->{e}->hang_up;
        my $last = @{$ear->{got}} ? $ear->{got}[-1]{seq} : 0;
        $ear->{e} = $s->listen_to('busy', headers => {%{$s->platform_headers}, 'Last-Event-ID' => $last});
    };
    my $n = 0;
    for my $round (1 .. 12) {
        $s->burst([map { $n++; $s->say_request('busy', "text $n", message_id => "b$n", sender_type => $n % 3 ? 'system' : 'user') } 1 .. 8]);
        $listen_again->($ears[rand @ears]) for 1 .. 2;
        if ($round == 6) { # a responder goes
            $s->responder(1)->signal('TERM');
            $s->responder(1)->wait_end(bound(30));
            $s->start_responder(1);
        }
        $_->{e}->read for @ears;
        for my $ear (@ears) { $listen_again->($ear) if $ear->{e}->closed || $ear->{e}->ended }
    }
    my $done = wait_for('the answers', 60, sub { ($s->session('busy')->{message_count} // 0) == $n && keys %{$s->covered('busy')} == int $n / 3 });
    ok($done, 'all is answered');
    my $end = $s->listen_to('busy', after => 0);
    $s->say('busy', 'the end', message_id => 'end', sender_type => 'system');
    my $last = $s->hears($end, 'message', message_id => 'end') or return;
    for my $ear (@ears) {
        wait_for('the end', 30, sub {
            $listen_again->($ear) if $ear->{e}->read->closed || $ear->{e}->ended;
            grep { ($_->{message_id} // '') eq 'end' } $s->heard($ear->{e})
        });
        push @{$ear->{got}}, $s->heard($ear->{e});
        is_deeply([map { $_->{seq} } @{$ear->{got}}], [1 .. $last->{seq}], 'each of ' . $last->{seq} . ' events once and in order');
    }
    return;
}

for (['sqlite', 'lighttpd'], ['redis', 'lighttpd'], ['redis', 'apache']) {
    my ($store, $web) = @$_;
    subtest "$store behind $web" => sub {
        my $absent = missing($web, $store eq 'redis' ? qw(redis postgres) : ());
        plan skip_all => "$absent is not installed" if $absent;
        $s = Stack->start(web => $web, store => $store);
        subtest 'what is told'     => \&told;
        subtest 'its state'        => \&state;
        subtest 'who may listen'   => \&access;
        subtest 'too late'         => \&missed;
        subtest 'cut and resumed'  => \&resumed;
        $s->end_well;
    };
}

done_testing;
