#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# Hostile and clumsy input over HTTP, behind both web servers: the right status with the right error, nothing half done, nobody dies. The
# cases are tables; each server runs all of them.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use Test::More;
use Stack;

my $path = '/api/v1/enhanced-handle-message';
my ($s, $web, $number, $cases, $accepted);

sub fresh { return 'bad-' . ++$number }

# A valid message as a list of key, text pairs, so that a case can replace, drop or double any part literally.
sub members {
    my $id = fresh();
    return (conversation_id => qq("$id"), message_id => '"m1"', message_content => '"hello"', sender_id => '"u1"', sender_type => '"user"',
        timestamp => '1699123456.789');
}
sub object { my @members = @_; my @out; while (my ($k, $v) = splice @members, 0, 2) { push @out, qq("$k":$v) } return '{' . join(',', @out) . '}' }
# With members replaced (text) or dropped (undef).
sub with {
    my %change = @_;
    my @members = members();
    my @out;
    while (my ($k, $v) = splice @members, 0, 2) {
        if (exists $change{$k}) { my $new = delete $change{$k}; push @out, $k, $new if defined $new }
        else                    { push @out, $k, $v }
    }
    push @out, $_, $change{$_} for sort keys %change;
    return object(@out);
}

sub post {
    my ($body, %headers) = @_;
    return $s->client->request(method => 'POST', path => $path, body => $body,
        headers => {%{$s->platform_headers}, 'Content-Type' => 'application/json', %headers});
}

# One case: the answer has one of the statuses; errors of ours have the documented shape and, when named, the code.
sub check {
    my ($name, $answer, $want, $code) = @_;
    $cases++;
    my @want = ref $want ? @$want : $want;
    my $status = $answer->status;
    my @wrong;
    push @wrong, "status $status, not @want" if !grep { $_ == $status } @want;
    $accepted++ if $status == 200 && $answer->outcome eq 'completed';
    my $json = $answer->json;
    if (!@wrong && $status >= 400 && ($answer->header('Content-Type') // '') =~ m{^application/json}) {
        push @wrong, 'success is not false' if ref $json ne 'HASH' || $json->{success};
        push @wrong, "no $_" for grep { !defined $json->{$_} || $json->{$_} eq '' } qw(status error code request_id);
        push @wrong, 'detail without 422, or 422 without' if ($status == 422) != (ref $json->{detail} eq 'ARRAY' && @{$json->{detail}} > 0);
        push @wrong, 'no WWW-Authenticate' if $status == 401 && ($answer->header('WWW-Authenticate') // '') !~ /^Bearer/;
        push @wrong, 'no Allow' if $status == 405 && ($answer->header('Allow') // '') !~ /[A-Z]/;
        push @wrong, "code $json->{code}, not $code" if defined $code && $json->{code} ne $code;
        push @wrong, 'no nosniff' if ($answer->header('X-Content-Type-Options') // '') ne 'nosniff';
        push @wrong, 'an internal name shows' if $answer->body =~ m{/src/|\.c:\d|sqlite|redis}i;
    }
    elsif (!@wrong && defined $code) { push @wrong, 'the answer is not turnkeeper\'s JSON' }
    ok(!@wrong, "$web: $name") or diag(join('; ', @wrong) . ': ' . $answer->text);
    return $answer;
}

# ---- bodies that are not JSON ----

my @not_json = (
    '', ' ', "\n", '{', '}', '[', ']', '{]', '[}', '{"a"', '{"a":', '{"a":}', '{"a":1', '{"a":1,', '{"a":1,}', '{,}', '{:1}', '{"a" 1}', '{"a"::1}',
    '{"a":1 "b":2}', '{1:2}', "{'a':1}", '{a:1}', '[1,]', '[,1]', '[1 2]', '[1,,2]', 'tru', 'nul', 'fals', 'True', 'None', 'undefined', 'hello',
    '+1', '01', '-', '-01', '1.', '.5', '1e', '1e+', '0x10', '1_000', 'NaN', 'Infinity', '-Infinity',
    '"abc', '"\\x41"', '"\\u12"', '"\\u12G4"', '"\\', '"\\ud800"', '"\\udc00"', '"\\ud800\\u0041"', '"\\u0000"',
    "\"a\tb\"", "\"a\nb\"", "\"a\x01b\"", '{} {}', '{}x', '{}]', '/* c */ {}', '{} // c', "\xef\xbb\xbf{}", "\x00", "{}\x00", "{\"a\x00\":1}", '<xml/>',
    'a=1&b=2', '--boundary', "\xff\xfe{\x00}\x00", '{"a":1}}', '"\\u0000abc"', '{"\\u0000":1}',
);
my @not_utf8 = ("\x80", "\xbf", "\xc0\x80", "\xc1\xbf", "\xe0\x80\x80", "\xe0\x9f\xbf", "\xed\xa0\x80", "\xed\xbf\xbf", "\xf0\x80\x80\x80", "\xf4\x90\x80\x80",
    "\xf8\x88\x80\x80\x80", "\xfe", "\xff", "\xc3", "\xe2\x82", "\xf0\x9f\x98", "\xc3\x28", "ok\xa0ok");

sub syntax {
    check('not JSON: ' . printable($_), post($_), 400) for @not_json;
    for my $bytes (@not_utf8) {
        check('not UTF-8 in a text: ' . printable($bytes), post(with(message_content => "\"$bytes\"")), 400);
        check('not UTF-8 in an id: ' . printable($bytes), post(with(sender_id => "\"$bytes\"")), 400);
    }
    check('not UTF-8 in a key', post(with("x\xff" => '1')), 400);
    check('NUL in a text', post(with(message_content => '"a\\u0000b"')), 400);
    check('raw NUL in a text', post(with(message_content => "\"a\x00b\"")), 400);
    check("the key $_ twice", post(object(members(), $_ => '"twice"')), 400) for qw(conversation_id message_id message_content sender_id sender_type timestamp);
    check('a key of metadata twice', post(with(metadata => '{"a":1,"a":2}')), 400);
    check('a key of an attachment twice', post(with(attachments => '[{"a":1,"a":2}]')), 400);
    check("depth $_", post(with(metadata => '{"a":' . '[' x ($_ - 2) . ']' x ($_ - 2) . '}')), $_ > 32 ? 400 : 200) for 31, 32, 33, 34, 100, 5000;
    check('depth 100,000', post('[' x 100_000), 400);
    check('depth 33 of objects', post(with(metadata => '{"a":' x 32 . '1' . '}' x 32)), 400);
    # JSON allows any number; those that no variable holds are refused as values
    check("the body is $_", post($_), 422) for '1e999', '-1e999', '9223372036854775808', '123456789012345678901234567890';
    check('a number over int64 in metadata', post(with(metadata => '{"n":9223372036854775808}')), 422);
    check('a number beyond double in metadata', post(with(metadata => '{"n":1e400}')), 422);
    return;
}

# ---- fields ----

sub field_types {
    for my $body ('[]', 'null', 'true', '1', '"text"', '[{}]', '[' . with() . ']') { check("the body is $body", post($body), 422) }
    check('no member', post('{}'), 422);
    for my $field (qw(conversation_id message_id message_content sender_id sender_type timestamp)) {
        check("$field is missing", post(with($field => undef)), 422);
        check("$field is $_", post(with($field => $_)), 422) for 'null', 'true', '[]', '{}', '""', '["x"]';
        check("$field is a number", post(with($field => '17')), $field eq 'timestamp' ? 200 : 422);
    }
    for my $field (qw(conversation_id message_id sender_id)) {
        check("$field of 257 letters", post(with($field => '"' . 'x' x 257 . '"')), 422);
        check("$field of 60,000 letters", post(with($field => '"' . 'x' x 60_000 . '"')), 422);
        check("$field with $_", post(with($field => "\"a${_}b\"")), 422) for '\\u0001', '\\n', '\\r\\n', '\\t', '\\u001b', '\\u007f', '\\u0085', "\x7f";
    }
    check("sender_type $_", post(with(sender_type => "\"$_\"")), 422) for qw(User USER admin customer Bot users), ' user', 'user ', 'user\\n', 'us\\u0435r';
    check("timestamp $_", post(with(timestamp => $_)), 422)
        for '"yesterday"', '"2024-13-01T00:00:00Z"', '"2024-02-30T00:00:00Z"', '"2024-01-01T25:00:00Z"', '"2024-01-01T00:00:00+99:00"', '"T00:00:00Z"',
        '-1', '1e18', '1e300', '9223372036854775807', '-9223372036854775808', '"2024-01-01T00:00:00Zjunk"', 'false';
    check("metadata $_", post(with(metadata => $_)), 422) for '[]', '"x"', '1', 'true', '[{}]';
    check("metadata.bot_id $_", post(with(metadata => "{\"bot_id\":$_}")), 422) for '1', '[]', '""', '"' . 'x' x 257 . '"', '{}';
    check("attachments $_", post(with(attachments => $_)), 422) for '{}', '"x"', '1', 'true', '[1]', '["x"]', '[null]', '[[]]', '[{},1]';
    check('a content of 65,537 bytes', post(with(message_content => '"' . 'x' x 65_537 . '"')), 422);
    check('a content of 65,538 bytes in 32,769 letters', post(with(message_content => '"' . "\xc3\xa9" x 32_769 . '"')), 422);
    my $all = check('all fields are wrong', post('{"conversation_id":1,"message_id":"","message_content":[],"sender_id":{},"sender_type":"x","timestamp":"x",'
        . '"metadata":1,"attachments":1}'), 422);
    my %named = map { $_->{loc}[1] => 1 } @{$all->json->{detail} || []};
    is_deeply([sort keys %named], [sort qw(conversation_id message_id message_content sender_id sender_type timestamp metadata attachments)],
        "$web: all of them are listed at once");
    ok(!(grep { $_->{loc}[0] ne 'body' || !length $_->{msg} || !length $_->{type} } @{$all->json->{detail}}), "$web: each with loc, msg and type");
    return;
}

# ---- what is unusual, and right ----

sub unusual {
    my %good = (
        'an id of 256 letters' => [conversation_id => '"' . 'y' x 245 . sprintf('%011d', int rand 1e9) . '"'],
        'an id with slashes' => [message_id => '"a/b//c"'], 'an id of two letters' => [message_id => '"\\u00e9"'],
        'an id with a quote and a backslash' => [message_id => '"a\\"b\\\\c"'], 'an id like a pattern' => [message_id => '"*?[a-z]"'],
        'an id like a hash tag' => [message_id => '"{x}"'], 'an id with colons' => [message_id => '"a:b:pending"'],
        'an id like SQL' => [message_id => q("'; DROP TABLE messages; --")], 'an id of a space' => [message_id => '" "'],
        'an id with an emoji' => [message_id => "\"\xf0\x9f\x99\x82\""], 'an id like HTML' => [message_id => '"<script>alert(1)</script>"'],
        'an id with percent signs' => [message_id => '"%s%n%2F"'], 'an id of dots' => [message_id => '".."'],
        'a content of 65,536 bytes' => [message_content => '"' . 'x' x 65_536 . '"'], 'a content of one space' => [message_content => '" "'],
        'a content with control characters' => [message_content => '"\\u0001\\u001b[31m\\r\\n\\t\\u007f"'],
        'a content with all sorts of letters' => [message_content => "\"\xe2\x80\xae\xef\xbf\xbf\xcc\x81\xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f\x92\xbb\""],
        'a content like a fenced block' => [message_content => '"```json\\n{\\"actions\\":[]}\\n```"'],
        'timestamp 0' => [timestamp => '0'], 'an integer timestamp' => [timestamp => '1699123456'], 'an ISO 8601 timestamp' => [timestamp => '"2024-01-01T00:00:00Z"'],
        'a timestamp with an offset' => [timestamp => '"2024-01-01T07:00:00.123+07:00"'], 'a timestamp in the far future' => [timestamp => '4102444800'],
        'a timestamp with an exponent' => [timestamp => '1.7e9'], 'a negative zero' => [timestamp => '-0'],
        'no metadata' => [metadata => '{}'], 'metadata null' => [metadata => 'null'], 'attachments null' => [attachments => 'null'],
        'empty attachments' => [attachments => '[]'], 'attachments' => [attachments => '[{"type":"image","url":"http://127.0.0.1:1/x"}]'],
        'metadata with many keys' => [metadata => '{' . join(',', map { qq("k$_":$_) } 1 .. 3000) . '}'],
        'metadata with odd values' => [metadata => '{"":null,"a":[true,false,null,-1.5e-300,""],"\\ud83d\\ude42":{}}'],
        'unknown members' => [extra => '{"a":1}', __proto__ => '1'], 'int64\'s ends in metadata' => [metadata => '{"a":9223372036854775807,"b":-9223372036854775808}'],
    );
    check("good: $_", post(with(@{$good{$_}})), 200) for sort keys %good;
    check('good: white space around', post("\r\n\t " . with() . " \n\n"), 200);
    my $exact = with(metadata => '{"pad":""}');
    (my $limit = $exact) =~ s/"pad":""/'"pad":"' . 'p' x (262_144 - length $exact) . '"'/e;
    is(length $limit, 262_144, 'a body of 262,144 bytes');
    check('good: a body of 256 KiB', post($limit), 200);
    for my $type ('application/json; charset=utf-8', 'Application/JSON', 'application/json ; charset="UTF-8"', 'application/json;charset=utf-8;x=1') {
        check("good: Content-Type $type", post(with(), 'Content-Type' => $type), 200);
    }
    for my $id ('<script>', 'x' x 300, 'a b', '${jndi:ldap://127.0.0.1/x}', "caf\xc3\xa9", '%0d%0aSet-Cookie: a=b') {
        my $answer = check('good: X-Request-ID ' . printable(substr $id, 0, 40), post(with(), 'X-Request-ID' => $id), 200);
        like($answer->header('X-Request-ID'), qr/^[A-Za-z0-9._-]{1,128}$/, "$web: which is replaced");
    }
    check("good: $_->[0] $_->[1]", post(with(), @$_), 200)
        for [Prefer => 'wait=10'], [Prefer => ',,;;=='], [traceparent => 'nonsense'], [Accept => 'text/html'], ['Accept-Encoding' => 'gzip'],
        [Cookie => 'a=b'], [Origin => 'http://evil.example'], ['If-None-Match' => '*'], [Range => 'bytes=0-1'], ['X-HTTP-Method-Override' => 'DELETE'];
    return;
}

# ---- sizes and types ----

sub sizes_and_types {
    check("a body of $_ bytes", post(pad($_)), 413) for 262_145, 262_146, 300_000, 700_000;
    check('a body of 300,000 bytes of nothing', post(' ' x 300_000), 413);
    check('a body of 4 MB', post(' ' x 4_000_000), [0, 413]); # the web server's own limit
    for my $type ('text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data; boundary=x', 'application/jsonx', 'application/json5', 'json',
        'application/xml', '*/*', 'application/json, text/plain', 'application/json; charset=latin1', 'application/json; charset=utf-16', 'text/json', ';')
    {
        check("Content-Type $type", post(with(), 'Content-Type' => $type), 415);
    }
    check('no Content-Type', post(with(), 'Content-Type' => undef), 415);
    check('an empty Content-Type', post(with(), 'Content-Type' => ''), 415);
    return;
}
sub pad { my $size = shift; my $body = with(); return $body . ' ' x ($size - length $body) }

# ---- credentials ----

sub credentials {
    my $token = $s->{platform_token};
    (my $flipped = $token) =~ tr/a-z/A-Z/;
    my %wrong = (
        'none' => undef, 'empty' => '', 'Bearer alone' => 'Bearer', 'Bearer and a space' => 'Bearer ', 'no scheme' => $token, 'another token' => 'Bearer wrong',
        'one byte less' => 'Bearer ' . substr($token, 0, -1), 'one byte more' => "Bearer ${token}x", 'another case' => "Bearer $flipped",
        'Basic' => "Basic $token", 'Token' => "Token $token", 'Bearer twice' => "Bearer Bearer $token", 'an equals sign' => "Bearer=$token",
        'a colon' => "Bearer: $token", 'in quotes' => "Bearer \"$token\"", 'two joined' => "Bearer $token, Bearer $token", 'good and bad joined' => "Bearer $token,x",
        'a word behind' => "Bearer $token x", 'escaped' => 'Bearer ' . join('', map { sprintf '%%%02x', ord } split //, $token),
        'very long' => 'Bearer ' . 'x' x 4000, 'bytes' => "Bearer \xff\xfe", 'the empty list' => 'Bearer ,',
        'two headers, the first good' => ["Bearer $token", 'Bearer wrong'], 'two headers, the second good' => ['Bearer wrong', "Bearer $token"],
        'two good headers' => ["Bearer $token", "Bearer $token"],
    );
    my %bodies;
    for my $name (sort keys %wrong) {
        my $answer = check("credential: $name", post(with(), Authorization => $wrong{$name}), 401);
        (my $body = $answer->body) =~ s/"request_id":"[^"]*"//;
        $bodies{$body}++;
    }
    is(scalar keys %bodies, 1, "$web: one body for every cause") or diag(explain(\%bodies));
    check('credential: in the query', $s->client->request(method => 'POST', path => "$path?access_token=$token&Authorization=Bearer%20$token",
        body => with(), headers => {'Content-Type' => 'application/json'}), 401);
    check('credential: in a cookie', post(with(), Authorization => undef, Cookie => "Authorization=Bearer $token"), 401);
    check('credential: in the body', post(with(Authorization => "\"Bearer $token\""), Authorization => undef), 401);
    check("credential: in $_", post(with(), Authorization => undef, $_ => "Bearer $token"), 401) for qw(X_Authorization X-Authorization Proxy-Authorization);
    check('credential: wrong, and the body is garbage', post('{', Authorization => 'Bearer wrong'), 401);
    check('credential: wrong, and the body is too large', post(pad(300_000), Authorization => 'Bearer wrong'), 401);
    check('credential: wrong, and the type too', post('x', Authorization => 'Bearer wrong', 'Content-Type' => 'text/plain'), 401);
    check('credential: the job\'s too', $s->get('/api/v1/chat/jobs/x', {}), 401);
    check('good: bearer in small letters', post(with(), Authorization => "bearer $token"), 200);
    check('good: the administrator', post(with(), %{$s->admin_headers}), 200);
    return;
}

# ---- paths and methods ----

sub paths_and_methods {
    my $get = sub { $s->client->request(method => 'GET', path => $_[0], headers => $s->platform_headers) };
    check("path $_", $get->($_), 404)
        for '/', '/api', '/api/', '/api/v1', '/api/v1/', '/api/v2/enhanced-handle-message', "$path/", "$path/x", '/API/V1/enhanced-handle-message',
        '/api/v1/Enhanced-Handle-Message', '/api//v1/enhanced-handle-message', "/$path", '/api/v1/./enhanced-handle-message', "$path;x=1", "$path.json",
        '/api%2Fv1%2Fenhanced-handle-message', '/api%2fv1/enhanced-handle-message', '/health/', '/healthz', '/Health', '/health%2F', '/health;',
        '/favicon.ico', '/robots.txt', '/.env', '/.git/config', '/cgi-bin/sh', '/wp-login.php', '/api/v1/chat', '/api/v1/chat/jobs', '/api/v1/chat/jobs/',
        '/api/v1/chat/jobs/a/b', '/api/v1/chat/jobs/a/events/x', '/api/v1/chat/jobs//', '/api/v1/chat/jobs/unknown', '/api/v1/chat/jobs/a%2Fb',
        '/api/v1/chat/jobs/%C3%A9', '/api/v1/chat/jobs/' . 'x' x 257, '/api/v1/chat/jobs/' . 'x' x 3000, '/%F0%9F%99%82', '/api/v1/' . 'a/' x 50;
    check('path ' . printable($_), $get->($_), [400, 403, 404])
        for '/%', '/%z', '/%zz', '/a%2', '/health%', '/%ff', '/%c0%80', '/%ed%a0%80', '/x%00y', '/x%0ay', '/x%0d%0aSet-Cookie:%20a=b', '/x%7f', '/api/../health%00',
        '/../../etc/passwd', '/..%2f..%2fetc/passwd', '/api/v1/chat/jobs/..', '/api/v1/chat/jobs/%2e%2e', '/api/v1/../v1/chat/jobs/x', '/a\\b';
    check('a path of 7,000 bytes', $get->('/' . 'x' x 7000), [404, 414]);
    check('a query that is garbage', $get->('/api/v1/chat/jobs/x?%ff&%zz=%&&==;'), [400, 404]);

    for my $method (qw(GET PUT PATCH DELETE)) {
        my $answer = check("$method on the message endpoint", $s->client->request(method => $method, path => $path,
            headers => {%{$s->platform_headers}, 'Content-Type' => 'application/json'}, $method eq 'GET' ? () : (body => with())), 405, 'method_not_allowed');
        is($answer->header('Allow'), 'POST', "$web: Allow");
    }
    check("$_ on a job", $s->client->request(method => $_, path => '/api/v1/chat/jobs/x', body => '{}',
        headers => {%{$s->platform_headers}, 'Content-Type' => 'application/json'}), 405) for qw(PUT PATCH POST);
    check("$_ on /health", $s->client->request(method => $_, path => '/health', body => '', headers => $s->platform_headers), 405) for qw(POST PUT DELETE PATCH);
    check('good: HEAD on /health', $s->client->request(method => 'HEAD', path => '/health'), 200);
    check("method $_", $s->client->request(method => $_, path => $path, headers => $s->platform_headers), [400, 405, 501])
        for qw(GARB post Post PROPFIND MKCOL LOCK TRACE), 'X' x 60;
    is($s->client->request(method => 'HEAD', path => $path, headers => $s->platform_headers)->status, 405, "$web: HEAD on the message endpoint");
    return;
}

# ---- HTTP itself, byte by byte ----

# A refused one is closed or answered 4xx or 501; never 2xx, never another 5xx, and the message never reaches the AI.
my @refused = (0, 400, 403, 404, 405, 408, 411, 413, 414, 415, 417, 431, 501, 505);

sub framing {
    my $auth = "Authorization: Bearer $s->{platform_token}\r\n";
    my $head = "POST $path HTTP/1.1\r\nHost: localhost\r\n${auth}Content-Type: application/json\r\nConnection: close\r\n";
    my $case = sub {
        my ($name, $bytes, $want) = @_;
        check("HTTP: $name", $s->client->raw($bytes, finish => 1, timeout => bound(20)), $want // \@refused);
    };
    my $body = with(conversation_id => '"framing"');
    my $length = length $body;
    $case->("a body cut after $_ bytes", "${head}Content-Length: $length\r\n\r\n" . substr $body, 0, $_) for 0, 1, 10, $length - 1;
    $case->('Content-Length ' . ($_ eq '' ? 'empty' : $_), "${head}Content-Length: $_\r\n\r\n$body")
        for '-1', '+5', 'abc', '0x10', '1e3', '99999999999999999999', '18446744073709551616', '10 10', '10,11', '';
    $case->('two lengths', "${head}Content-Length: $length\r\nContent-Length: 5\r\n\r\n$body");
    $case->('Content-Length shorter than the body', "${head}Content-Length: 20\r\n\r\n$body");
    $case->('no length, a body', "${head}\r\n$body");
    $case->("chunk size $_", "${head}Transfer-Encoding: chunked\r\n\r\n$_\r\n$body\r\n0\r\n\r\n") for 'zz', '-5', 'FFFFFFFFFFFFFFFFF', '';
    $case->('chunks that end early', sprintf "%sTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n", $head, $length, substr $body, 0, 20);
    $case->('a last chunk that never comes', sprintf "%sTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n", $head, 20, substr $body, 0, 20);
    $case->("Transfer-Encoding $_", "${head}Transfer-Encoding: $_\r\n\r\n$body") for 'gzip', 'identity', 'chunked, gzip', 'xchunked';
    $case->('no Host', "POST $path HTTP/1.1\r\n${auth}Content-Type: application/json\r\nContent-Length: $length\r\n\r\n$body");
    $case->('two Hosts', "POST $path HTTP/1.1\r\nHost: a\r\nHost: b\r\n${auth}Content-Type: application/json\r\nContent-Length: $length\r\n\r\n$body");
    $case->("request line $_", "$_\r\nHost: localhost\r\n${auth}Content-Type: application/json\r\nContent-Length: $length\r\n\r\n$body")
        for "POST  $path HTTP/1.1", "POST $path HTTP/1.1 x", "POST $path", "POST", "", "POST\t$path\tHTTP/1.1", "POST http:// HTTP/1.1", "\x16\x03\x01\x02\x00";
    $case->('a header without a colon', "${head}nonsense\r\nContent-Length: $length\r\n\r\n$body");
    $case->('a space before the colon', "${head}X-A : b\r\nContent-Length: $length\r\n\r\n$body");
    $case->('NUL in a header', "${head}X-A: a\x00b\r\nContent-Length: $length\r\n\r\n$body");
    $case->('a header of 100 kB', "${head}X-A: " . 'a' x 100_000 . "\r\nContent-Length: $length\r\n\r\n$body");
    $case->('5,000 headers', $head . join('', map { "X-$_: 1\r\n" } 1 .. 5000) . "Content-Length: $length\r\n\r\n$body");
    is(scalar @{$s->ledger('framing')->{ai}}, 0, "$web: none of these messages was taken");

    my $chunked = with();
    $case->('good: chunks', sprintf("%sTransfer-Encoding: chunked\r\n\r\n5\r\n%s\r\n%x\r\n%s\r\n0\r\n\r\n", $head, substr($chunked, 0, 5), length($chunked) - 5,
        substr $chunked, 5), 200);
    $case->('chunks of 300,000 bytes', sprintf("%sTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", $head, 300_000, pad(300_000)), 413);
    $case->('good: Expect: 100-continue', "${head}Expect: 100-continue\r\nContent-Length: $length\r\n\r\n" . with(conversation_id => '"framong"'), 200);
    return;
}

sub printable { my $t = shift; $t =~ s/([^\x20-\x7e])/sprintf '\\x%02x', ord $1/ge; $t = substr($t, 0, 60) . '...' if length $t > 64; return $t }

for my $server (qw(lighttpd apache)) {
    subtest $server => sub {
        plan skip_all => "$server is not installed" if missing($server);
        ($web, $number, $cases, $accepted) = ($server, 0, 0, 0);
        $s = Stack->start(web => $web, responders => 2);
        for my $group (\&syntax, \&field_types, \&unusual, \&sizes_and_types, \&credentials, \&paths_and_methods, \&framing) {
            $group->();
            is($s->get('/health')->status, 200, "$web: it still answers");
        }
        note("$cases cases");
        cmp_ok($cases, '>=', 300, "$web: at least 300 cases");
        # what was refused left no trace: the AI was asked about the accepted ones alone, and a refused id is free
        is($s->double_stats->{ai_calls}, $accepted, "$web: one AI call for each accepted message, none for the others");
        is($s->post_message("bad-$_", 'm1')->json->{result}{replayed} // 0, 0, "$web: the id of a refused message is new") for 3, 30;
        $s->end_well;
    };
}

done_testing;
