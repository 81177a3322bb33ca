#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# Push over WebSocket through lighttpd, through Apache and at the daemon's own socket: who is let in, events of a turn, messages from a client,
# going on after a loss, what breaks the rules, tokens that change, a daemon that goes.
use strict;
use warnings;
use Cwd qw(abs_path);
use File::Basename qw(dirname);
use File::Temp qw(tempdir);
use Test::More;
use lib abs_path(dirname(__FILE__)) . '/../lib';
use Stack;
use Stack::WebSocket;

my $without = `"$Stack::build/turnkeeperd" -V` =~ /without WebSockets/;
plan skip_all => 'built without WebSockets' if $without;

sub socket_path { "$_[0]{dir}/turnkeeper/ws.sock" }
sub bearer      { {Authorization => "Bearer $_[0]{platform_token}"} }

# place: 'web' or 'daemon'
sub ws {
    my ($s, $place, $target, %o) = @_;
    my @where = $place eq 'web' ? (port => $s->{port}) : (path => socket_path($s));
    return Stack::WebSocket->open(@where, target => $target, wait => bound(20), %o);
}

sub ticket {
    my ($s, %o) = @_;
    my $answer = $s->client->request(method => 'POST', path => '/api/v1/tickets', headers => $s->platform_headers, json => \%o);
    is($answer->status, 201, "a ticket for $o{session_id}") or diag($answer->text);
    return $answer->json->{ticket};
}

sub start {
    my ($web, %o) = @_;
    my $s = Stack->start(web => $web, responders => 1, %o);
    wait_for('the WebSocket socket', 20, sub { -S socket_path($s) }) or BAIL_OUT('the daemon does not listen');
    return $s;
}

# Who is let in, as seen through whatever is in front.
sub doors {
    my ($s, $place) = @_;
    my $good = ticket($s, session_id => 'door 1/x');
    my @cases = (
        [101, '/ws/chat/c1', bearer($s)],
        [101, '/ws/chat/c1', $s->admin_headers],
        [101, "/ws/chat/door%201%2Fx?ticket=$good", {}],
        [101, '/ws/chat/caf%C3%A9..%2F..?after=0', bearer($s)],
        [401, '/ws/chat/c1', {}],
        [401, '/ws/chat/c1', {Authorization => 'Bearer nonsense'}],
        [401, '/ws/chat/c1?ticket=nonsense', {}],
        [403, "/ws/chat/door%201?ticket=$good", {}],
        [404, '/ws/chat/', bearer($s)],
        [404, '/ws/other', bearer($s)],
        [400, '/ws/chat/c1?after=x', bearer($s)],
    );
    for my $case (@cases) {
        my ($status, $target, $headers) = @$case;
        my $ws = ws($s, $place, $target, headers => $headers);
        is($ws->status, $status, "$place: $status for " . substr $target, 0, 30);
        like($ws->refusal->{code} // '', qr/^[a-z_]+$/, 'with a reason as JSON') if $status != 101;
        $ws->leave;
    }
    my $plain = ws($s, $place, '/ws/chat/c1', headers => {%{bearer($s)}, Upgrade => undef, Connection => undef});
    is($plain->status, 426, "$place: a request that is no WebSocket's");
    return;
}

# A message through the WebSocket is answered by a turn, and all of it is told.
sub conversation {
    my ($s, $place, $c) = @_;
    my $ticket = ticket($s, session_id => $c, sender_id => 'u1', sender_type => 'user');
    my $ws = ws($s, $place, "/ws/chat/$c?ticket=$ticket&after=0");
    is($ws->status, 101, "$place: connected");
    my $inbox = ws($s, $place, "/ws/chat/$c?after=0", headers => bearer($s));
    $ws->say(id => 'one', message_id => 'm1', content => "xin ch\x{e0}o", sender_id => 'somebody else', sender_type => 'agent');
    my (%seen, $accepted);
    while (!$accepted || !$seen{reply}) {
        my $event = $ws->json(bound(30)) // last;
        if ($event->{type} eq 'accepted') { $accepted = $event; next }
        push @{$seen{$event->{type}}}, $event;
    }
    is($accepted->{id}, 'one', 'accepted, with the id that was given');
    is($accepted->{message_id}, 'm1', 'its message id');
    ok($accepted->{accepted} && $accepted->{job_id}, 'and the job that answers it');
    ok(!exists $accepted->{seq}, 'without a number');
    is($seen{message}[0]{content}, "xin ch\x{e0}o", 'the message is told');
    is($seen{message}[0]{sender_id}, 'u1', "with the ticket's sender");
    is($seen{message}[0]{sender_type}, 'user', 'and type');
    is_deeply($seen{reply}[0]{message_ids}, ['m1'], 'the reply is told');
    my $reply = $inbox->of_type('reply', bound(30));
    is_deeply($reply, $seen{reply}[0], 'another listener hears the same');
    my $again = ws($s, $place, "/ws/chat/$c?after=" . ($reply->{seq} - 1), headers => bearer($s));
    is_deeply($again->of_type('reply', bound(20)), $reply, 'who was away goes on where he was');
    my $resumed = ws($s, $place, "/ws/chat/$c", headers => {%{bearer($s)}, 'Last-Event-ID' => $reply->{seq} - 1});
    is_deeply($resumed->json(bound(20)), $reply, 'also by Last-Event-ID');
    $ws->say(id => 'two', content => '');
    my $error = $ws->of_type('error', bound(20));
    is($error->{code}, 'validation_error', 'what is wrong with a message is told');
    is_deeply($error->{detail}[0]{loc}, ['body', 'content'], 'field by field');
    $ws->say(type => 'ping', id => 'p');
    is_deeply($ws->of_type('pong', bound(20)), {type => 'pong', id => 'p'}, 'ping and pong for scripts');
    $ws->frame(Stack::WebSocket::PING, 'are you there');
    my $pong;
    do { $pong = $ws->next(bound(20)) } while $pong && $pong->{op} != Stack::WebSocket::PONG;
    is($pong && $pong->{text}, 'are you there', 'and of the protocol');
    $ws->frame(Stack::WebSocket::CLOSE, pack 'n', 1000);
    is($ws->closed(bound(20)), 1000, 'a closing is answered');
    ok($ws->ends(bound(20)), 'and ends');
    $_->leave for $inbox, $again, $resumed;
    return;
}

# What breaks the rules ends with its code.
sub rules {
    my ($s, $place) = @_;
    my $max = 262144;
    my $json = '{"type":"ping","id":"big"}';
    my $padded = $json . ' ' x ($max - length $json);
    my $open = sub { ws($s, $place, '/ws/chat/rules', headers => bearer($s)) };
    my $ws = $open->();
    $ws->text($padded);
    is($ws->of_type('pong', bound(20))->{id}, 'big', "$place: a message of MAX_BODY_BYTES");
    my @pieces = unpack '(a50000)*', $padded;
    for my $i (0 .. $#pieces) {
        $ws->frame($i == 0 ? Stack::WebSocket::TEXT : Stack::WebSocket::MORE, $pieces[$i], last => $i == $#pieces);
        $ws->frame(Stack::WebSocket::PING, "between $i");
    }
    my $got;
    do { $got = $ws->next(bound(20)) } while $got && $got->{op} != Stack::WebSocket::TEXT;
    is($got && $got->{text}, '{"type":"pong","id":"big"}', 'in fragments, with pings between');
    $ws->text("$padded ");
    is($ws->closed(bound(20)), 1009, 'one byte more: 1009');
    my @cases = ([1003, sub { $_[0]->frame(Stack::WebSocket::BINARY, 'x') }], [1007, sub { $_[0]->text("\xff") }],
        [1002, sub { $_[0]->frame(Stack::WebSocket::MORE, 'x') }]);
    for my $case (@cases) {
        $ws = $open->();
        $case->[1]->($ws);
        is($ws->closed(bound(20)), $case->[0], "$place: $case->[0]");
        ok($ws->ends(bound(20)), 'and it ends');
    }
    return;
}

# More comes than may wait for a reader: he gets all of it, in order, once he reads.
sub slow {
    my ($s, $place) = @_;
    my $n = 200;
    my $ws = ws($s, $place, "/ws/chat/slow-$place?after=0", headers => bearer($s), receive => 8192);
    my $post = sub { +{method => 'POST', path => "/api/v1/chat/sessions/slow-$place/messages", headers => $s->platform_headers, json => $_[0]} };
    my @answers = $s->burst([map { $post->({message_id => "m$_", content => "$_ " . 'x' x 8000, sender_id => 'a', sender_type => 'agent'}) } 1 .. $n]);
    is(scalar(grep { $_->status == 202 } @answers), $n, "$place: $n messages while somebody does not read");
    my ($seq, %got) = (0);
    while (keys %got < $n) {
        my $event = $ws->json(bound(20)) // last;
        last if $event->{seq} != ++$seq;
        $got{$event->{message_id}}++ if $event->{type} eq 'message';
    }
    is(scalar keys %got, $n, 'he gets each of them, with no number left out');
    $ws->leave;
    return;
}

sub write_tokens {
    my ($file, $platform, $admin) = @_;
    open my $out, '>', $file or die "$file: $!";
    print {$out} "PANCAKE_ACCESS_TOKEN=$platform\nADMIN_ACCESS_TOKEN=$admin\n";
    close $out or die "$file: $!";
    return;
}

# HUP: other tokens reach the daemon, and who is connected stays.
sub reload {
    my ($s, $conf) = @_;
    my $ws = ws($s, 'web', '/ws/chat/reload?after=0', headers => bearer($s));
    my $old = ticket($s, session_id => 'reload');
    write_tokens($conf, 'fresh-token-1', 'fresh-admin-1');
    kill 'HUP', $s->daemon(1)->pid;
    my $fresh = wait_for('the new token', 20, sub {
        my $try = ws($s, 'web', '/ws/chat/reload', headers => {Authorization => 'Bearer fresh-token-1'});
        $try->status == 101 && $try;
    });
    ok($fresh, 'the new token opens');
    is(ws($s, 'web', '/ws/chat/reload', headers => bearer($s))->status, 401, 'the old one does not');
    is(ws($s, 'web', "/ws/chat/reload?ticket=$old")->status, 401, 'nor do tickets of the old secret');
    $ws->say(type => 'ping');
    is(($ws->json(bound(20)) // {})->{type}, 'pong', 'who is connected stays');
    $_->leave for $ws, $fresh;
    return;
}

# The socket of a daemon that was killed is replaced, and who listens is told when one goes.
sub daemons {
    my $s = shift;
    my $ws = ws($s, 'daemon', '/ws/chat/gone', headers => bearer($s));
    kill 'KILL', $s->daemon(1)->pid;
    ok($ws->ends(bound(20)), 'a daemon is killed: its connections end');
    $s->daemon(1)->wait_end(bound(20));
    ok(-S socket_path($s), 'its socket stays');
    isnt(ws($s, 'web', '/ws/chat/gone', headers => bearer($s))->status, 101, 'nobody answers there');
    $s->start_daemon(1);
    $ws = wait_for('the next daemon', 30, sub {
        my $try = eval { ws($s, 'web', '/ws/chat/gone', headers => bearer($s)) };
        $try && $try->status == 101 && $try;
    });
    ok($ws, 'the next one takes the socket over');
    $s->start_daemon(2);
    wait_for('the second daemon', 30, sub { -S $s->admin_socket(2) });
    kill 'TERM', $s->daemon(1)->pid;
    is($ws->closed(bound(20)), 1001, 'TERM: who listens is told to go');
    ok($s->daemon(1)->wait_end(bound(30)), 'and the daemon ends');
    is($s->daemon(1)->status, 0, 'well');
    $ws = wait_for('the other daemon', 30, sub {
        my $try = eval { ws($s, 'web', '/ws/chat/gone', headers => bearer($s)) };
        $try && $try->status == 101 && $try;
    });
    ok($ws, 'the other one of the host has the socket now');
    $ws->leave;
    return;
}

for my $web (qw(lighttpd apache)) {
    my $lacking = missing($web);
    SKIP: {
        skip "$lacking is not installed", 1 if $lacking;
        my $s = start($web, env => {TURNKEEPER_CONF => '/dev/null'});
        doors($s, 'web');
        conversation($s, 'web', "$web-1");
        rules($s, 'web');
        slow($s, 'web');
        if ($web eq 'lighttpd') {
            doors($s, 'daemon');
            conversation($s, 'daemon', 'direct-1');
            rules($s, 'daemon');
            slow($s, 'daemon');
        }
        $s->end_well;
    }
}

SKIP: {
    my $lacking = missing('lighttpd');
    skip "$lacking is not installed", 1 if $lacking;
    my $conf = tempdir('tk-conf-XXXXXX', TMPDIR => 1, CLEANUP => 1) . '/turnkeeper.conf';
    write_tokens($conf, 'first-token-1', 'first-admin-1');
    my $s = start('lighttpd', env => {TURNKEEPER_CONF => $conf, PANCAKE_ACCESS_TOKEN => undef, ADMIN_ACCESS_TOKEN => undef});
    @$s{qw(platform_token admin_token)} = ('first-token-1', 'first-admin-1');
    reload($s, $conf);
    write_tokens($conf, @$s{qw(platform_token admin_token)});
    daemons($s);
    $s->{daemons} = 2;
    $s->end_well(except => ['daemon 1']);
}

done_testing();
