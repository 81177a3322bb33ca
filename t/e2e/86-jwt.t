#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# JSON Web Tokens through both web servers: services by role, users with their own sessions only, whichever way they come; another's session and an unknown one
# are the same; keys that are changed while everything runs; and what users may while Redis is away.
use strict;
use warnings;
use utf8;
use Digest::SHA qw(hmac_sha256);
use FindBin;
use lib "$FindBin::Bin/../lib";
use MIME::Base64 qw(encode_base64url);
use Test::More;
use Time::HiRes qw(sleep time);
use Stack;
use Stack::Sessions;
use Stack::WebSocket;

my $secret = 'the-secret-of-this-test-has-more-than-32-bytes';
my $chat   = '/api/v1/chat/sessions';
my $s;

# A token: claims besides exp; key, kid.
sub token {
    my ($claims, %o) = @_;
    my $header = {alg => 'HS256', typ => 'JWT', defined $o{kid} ? (kid => $o{kid}) : ()};
    my $text = join '.', map { encode_base64url(Stack::Client->encode($_)) } $header, {exp => int(time) + 300, %$claims};
    return "$text." . encode_base64url(hmac_sha256($text, $o{key} // $secret));
}
sub bearer { return {Authorization => 'Bearer ' . token(@_), 'X-Request-ID' => 'the-same'} }
sub user   { return bearer({userId => $_[0]}) }

sub uuid {
    open my $fh, '<', '/proc/sys/kernel/random/uuid' or die $!;
    chomp(my $id = <$fh>);
    return $id;
}

sub ask {
    my ($headers, $path, %o) = @_;
    return $s->{client}->request(path => $path, headers => $headers, %o);
}

# All the ways to a session that a user has: [name, code that gives status and body].
sub ways {
    my ($id, $headers) = @_;
    my $ws = sub {
        my $ws = Stack::WebSocket->open(port => $s->{port}, target => "/ws/chat/$id", headers => $headers);
        my $text = Stack::Client->encode($ws->status == 101 ? {} : do { my $j = $ws->refusal; delete $j->{request_id}; $j });
        $ws->leave if $ws->status == 101;
        return $ws->status . " $text";
    };
    my $of = sub { my $a = ask($headers, @_); return $a->status . ' ' . $a->body };
    return (
        ['GET', sub { $of->("$chat/$id") }], ['events', sub { $of->("$chat/$id/events?after=0") }],
        ['ticket', sub { $of->('/api/v1/tickets', json => {session_id => $id}) }], ['WebSocket', $ws],
    );
}

sub says { my ($headers, $id, $text, %o) = @_; return ask($headers, "$chat/$id/messages", json => {content => $text, %o}) }

# ---- services ----

sub services {
    my %to = (
        A     => sub { $s->post_message('svc', 'm' . rand, 'hello', headers => $_[0])->status },
        B     => sub { ask($_[0], '/api/v1/chat/message', json => {history => '<USER>hi</USER><br>', resources => {}})->status },
        C     => sub { ask($_[0], "$chat/svc")->status },
        admin => sub { ask($_[0], '/api/v1/admin/queue')->status },
    );
    my %may = (
        'Admin'               => [bearer({role => 'Admin'}), 'A B C admin'],
        'Platform'            => [bearer({roles => ['Reader', 'Platform']}), 'A B C'],
        'Admin as .NET says'  => [bearer({'http://schemas.microsoft.com/ws/2008/06/identity/claims/role' => 'Admin', sub => 'x'}), 'A B C admin'],
        'a user'              => [user('somebody'), ''],
        'admin, but small'    => [bearer({role => 'admin', sub => 'x'}), ''],
    );
    for my $who (sort keys %may) {
        my ($headers, $may) = @{$may{$who}};
        for my $where (sort keys %to) {
            my $status = $to{$where}->($headers);
            my $wanted = $may =~ /\b$where\b/ ? '2..' : '403';
            like($status, qr/^$wanted$/, "$who, $where: $wanted");
        }
    }
    my %nobody = (
        'another secret' => bearer({role => 'Admin'}, key => 'x' x 40), 'no claim' => bearer({}), 'an expired one' => bearer({role => 'Admin', exp => int(time) - 61}),
        'an audience' => bearer({role => 'Admin', aud => 'shop'}), 'an empty id' => user(''), 'a kid that nobody has, and no such key' => bearer({sub => 'x'}, kid => 'k', key => 'y' x 40),
        'nothing' => {Authorization => undef, 'X-Request-ID' => 'the-same'}, 'none' => {Authorization => 'Bearer ' . encode_base64url('{"alg":"none"}') . '.' . encode_base64url('{"role":"Admin"}') . '.', 'X-Request-ID' => 'the-same'},
    );
    my %bodies;
    for my $who (sort keys %nobody) {
        is_deeply([map { $to{$_}->($nobody{$who}) } sort keys %to], [(401) x keys %to], "$who: 401 everywhere");
        $bodies{ask($nobody{$who}, "$chat/svc")->body} = 1;
    }
    is(scalar keys %bodies, 1, 'with one body for every cause');
    is(ask(bearer({role => 'Admin', exp => int(time) - 50}), '/api/v1/admin/queue')->status, 200, 'a clock may differ by a minute');
    return;
}

# ---- users ----

sub own {
    my $id = uuid();
    my ($lan, $minh) = (user('lan ệ'), user('minh'));
    is(ask($lan, "$chat/$id")->status, 403, 'a session that is not there yet cannot be read');
    my $first = says($lan, $id, 'hello', message_id => 'm1', sender_id => 'minh', sender_type => 'agent');
    is($first->status, 202, 'but begun') or diag($first->text);
    ok($first->json->{job_id}, 'and is answered, since a user has written');
    my $read = ask($lan, "$chat/$id");
    is_deeply([$read->status, @{$read->json}{qw(user_id message_count)}], [200, 'lan ệ', 1], 'it is his') or diag($read->text);
    ok(wait_for('the reply', 30, sub { (ask($lan, "$chat/$id")->json->{last_message}{sender_type} // '') eq 'bot' }), 'he reads the reply');
    is(ask($lan, "$chat/$id", method => 'PATCH', json => {status => 'closed'})->status, 403, 'he does not set its state');
    is(says($minh, $id, 'let me in')->status, 403, 'another is not let in');
    is(says($lan, $id, 'and again')->status, 202, 'he goes on');

    my $events = $s->listen_to($id, after => 0, headers => $lan);
    my $heard = $s->hears($events, 'message', content => 'and again');
    is_deeply([@$heard{qw(sender_id sender_type)}], ['lan ệ', 'user'], 'his event stream: the message is in his name');
    my $ws = Stack::WebSocket->open(port => $s->{port}, target => "/ws/chat/$id?after=0", headers => $lan);
    is($ws->status, 101, 'his WebSocket');
    $ws->say(content => 'over the wire', sender_id => 'minh', sender_type => 'agent', message_id => 'w1');
    $heard = $s->hears($events, 'message', content => 'over the wire');
    is_deeply([@$heard{qw(sender_id sender_type)}], ['lan ệ', 'user'], 'what he writes there is in his name, too');
    $ws->leave;

    my $ticket = ask($lan, '/api/v1/tickets', json => {session_id => $id, sender_id => 'minh', sender_type => 'agent'});
    is($ticket->status, 201, 'a ticket for it') or diag($ticket->text);
    $ws = Stack::WebSocket->open(port => $s->{port}, target => "/ws/chat/$id?ticket=" . $ticket->json->{ticket});
    is($ws->status, 101, 'opens a WebSocket');
    $ws->say(content => 'with a ticket', sender_id => 'minh', sender_type => 'agent');
    $heard = $s->hears($events, 'message', content => 'with a ticket');
    is_deeply([@$heard{qw(sender_id sender_type)}], ['lan ệ', 'user'], 'and is his');
    $ws->leave;
    $events->hang_up;

    isnt(ask($lan, '/api/v1/customers/lan%20%E1%BB%87')->status, 403, 'what is known about him he may know');
    is(ask($lan, '/api/v1/customers/minh')->status, 403, 'about others not');
    return $id;
}

sub foreign {
    my $his = shift;
    my $minh = user('minh');
    $s->post_message('page_1', 'm1', 'hello', sender_id => 'lan');
    $s->post_message('agents', 'm1', 'hello', sender_id => 'an', sender_type => 'agent');
    my %unknown = map { @$_ } ways(uuid(), $minh);
    my %answers;
    for my $id ($his, 'page_1', 'agents', 'nobody', 'x' x 257) {
        for my $way (ways($id, $minh)) {
            my ($name, $try) = @$way;
            $answers{$name} //= $unknown{$name}->();
            next if $name eq 'WebSocket' && length $id > 256; # no such path
            is($try->(), $answers{$name}, $name . ' of ' . substr($id, 0, 40) . ': as of an unknown one') if $name ne 'ticket' || length $id <= 256;
        }
    }
    like($answers{$_}, qr/^403 .*"code":"forbidden"/, "$_: 403") for sort keys %answers;
    my @posts = map { says($minh, $_, 'squatting') } $his, 'page_1', 'agents', 'nobody', 'page_2';
    is_deeply([map { $_->status } @posts], [(403) x @posts], 'nobody posts into a session that is not his, nor begins one that can be guessed');
    is_deeply([map { $_->body } @posts], [($posts[0]->body) x @posts], 'which is all the same');
    is(ask(user('lan'), "$chat/page_1")->status, 200, 'whose message came through the platform, reads it');
    is($s->session('page_1')->{message_count}, 1, 'where nothing has been added');
    return;
}

# ---- keys ----

sub write_keys {
    my ($file, %keys) = @_;
    open my $fh, '>', "$file.new" or die $!;
    print $fh Stack::Client->encode({keys => [map { {kty => 'oct', kid => $_, alg => 'HS256', k => encode_base64url($keys{$_})} } sort keys %keys]});
    close $fh or die $!;
    rename "$file.new", $file or die $!;
    return;
}

sub said { my ($p, $what) = @_; open my $fh, '<', $p->{log} or return 0; return scalar(() = grep { /$what/ } <$fh>) }

sub hup {
    my $what = shift;
    my @all = ($s->responders, $s->daemons);
    my %before = map { ($_->name => said($_, $what)) } @all;
    $_->signal('HUP') for @all;
    for my $p (@all) { ok(wait_for('HUP', 20, sub { said($p, $what) > $before{$p->name} }), $p->name . " says: $what") }
    return;
}

# Of both responders and the daemon.
sub statuses {
    my ($id, @token) = @_;
    my $headers = bearer(@token);
    my $ws = Stack::WebSocket->open(port => $s->{port}, target => "/ws/chat/$id", headers => $headers);
    $ws->leave if $ws->status == 101;
    return join ' ', (map { ask($headers, "$chat/$id")->status } 1 .. 4), $ws->status;
}

sub rotation {
    my ($id, $file) = @_;
    my %key = (old => 'the-old-key-of-more-than-32-bytes-xx', new => 'the-new-key-of-more-than-32-bytes-xx');
    my @old = ({sub => 'lan ệ'}, kid => 'old', key => $key{old});
    my @new = ({sub => 'lan ệ'}, kid => 'new', key => $key{new});
    is(statuses($id, @old), '200 200 200 200 101', 'a key of the set');
    is(statuses($id, @new), '401 401 401 401 401', 'one that is not in it');
    write_keys($file, %key);
    hup('configuration reloaded');
    is(statuses($id, @new), '200 200 200 200 101', 'the new one is in it');
    is(statuses($id, @old), '200 200 200 200 101', 'beside the old one');
    write_keys($file, new => $key{new}, weak => 'hush');
    hup('the new configuration is refused');
    ok(said($s->responder(1), 'JWT_JWKS_FILE: .*key 1 cannot be used'), 'and why');
    is(statuses($id, @old), '200 200 200 200 101', 'a set that is not good changes nothing');
    write_keys($file, new => $key{new});
    hup('configuration reloaded');
    is(statuses($id, @old), '401 401 401 401 401', 'the old one is gone');
    is(statuses($id, @new), '200 200 200 200 101', 'the new one stays');
    is(statuses($id, {sub => 'lan ệ'}), '200 200 200 200 101', 'JWT_SECRET counts all the time');
    return;
}

sub ctl {
    my @command = @_;
    my $pid = open(my $out, '-|') // die "fork: $!";
    if (!$pid) {
        %ENV = %{$s->settings};
        open STDERR, '>&', \*STDOUT or die $!;
        exec "$Stack::build/turnkeeperctl", @command or die $!;
    }
    chomp(my $text = do { local $/; <$out> } // '');
    close $out;
    return ($? >> 8, $text);
}

sub command {
    my $id = shift;
    my ($code, $token) = ctl('token', '--user', 'lan ệ', '--expires-in', '5m');
    is($code, 0, 'turnkeeperctl token') or diag($token);
    is(ask({Authorization => "Bearer $token"}, "$chat/$id")->status, 200, 'makes a token for a user');
    ($code, $token) = ctl('token', '--role=Admin');
    is(ask({Authorization => "Bearer $token"}, '/api/v1/admin/queue')->status, 200, 'and for an administrator');
    is((ctl('token'))[0], 64, 'nobody gets none');
    is((ctl('token', '--role', 'Root'))[0], 64, 'nor does another role');
    is((ctl('token', '--user', 'a', '--key', '/dev/null'))[0], 78, 'a key that is none');
    return;
}

# ---- Redis is away ----

sub away {
    my $id = shift;
    my $lan = user('lan ệ');
    wait_for('the session in the database', 30, sub { ($s->psql_try("SELECT count(*) FROM chat_sessions WHERE session_id = '$id'") || [])->[0] });
    $s->{redis}->kill9;
    my $read;
    ok(wait_for('an answer without Redis', 30, sub { $read = ask($lan, "$chat/$id"); $read->status == 200 }), 'his session is his without Redis') or diag($read->text);
    is(ask(user('minh'), "$chat/$id")->status, 403, "and no other's");
    my $begun = says($lan, uuid(), 'hello');
    is($begun->status . ' ' . ($begun->json->{code} // ''), '503 owner_unknown', 'what the store that stands in does not know may be somebody\'s: nothing is begun');
    is(ask($lan, "$chat/" . uuid())->status, 503, 'nor told');
    return;
}

for (['sqlite', 'lighttpd'], ['redis', 'apache']) {
    my ($store, $web) = @$_;
    subtest "$store behind $web" => sub {
        my $absent = missing($web, $store eq 'redis' ? qw(redis postgres) : ());
        plan skip_all => "$absent is not installed" if $absent;
        my $file = File::Temp::tempdir('tk-jwt-XXXXXX', TMPDIR => 1, CLEANUP => 1) . '/keys.json';
        write_keys($file, old => 'the-old-key-of-more-than-32-bytes-xx');
        $s = Stack->start(web => $web, store => $store, env => {JWT_SECRET => $secret, JWT_JWKS_FILE => $file, MAX_BODY_BYTES => 65536});
        my $id;
        subtest 'services' => \&services;
        subtest 'own sessions' => sub { $id = own() };
        subtest "another's" => sub { foreign($id) };
        subtest 'keys'    => sub { rotation($id, $file) };
        subtest 'turnkeeperctl token' => sub { command($id) };
        my @shown = map { said($_, 'eyJ|' . quotemeta $secret) } $s->responders, $s->daemons;
        is_deeply(\@shown, [(0) x @shown], 'no log has a token in it');
        ok(wait_for('a line of the log, which has some a second', 10, sub {
            ask(bearer({sub => 'x', exp => 1}), "$chat/$id");
            return scalar grep { said($_, '"reason":"the token has expired"') } $s->responders;
        }), 'but why one was refused');
        subtest 'Redis is away' => sub { away($id) } if $store eq 'redis';
        $s->end_well(except => ['redis']);
    };
}

done_testing;
