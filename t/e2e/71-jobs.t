#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# B's document, example by example, as it is printed; and a counterpart of each of its 22 tests: message processing, error handling, authentication,
# edge cases, integration. Subtests have the names of that list. ONLY=sqlite-lighttpd runs one part. What goes beyond the document is in 73-job-life.t to 76-job-end.t.
use strict;
use warnings;
use utf8;
use FindBin;
use lib "$FindBin::Bin/../lib";
use JSON::PP ();
use Test::More;
use Time::HiRes qw(sleep time);
use Stack;

binmode(Test::More->builder->$_, ':encoding(UTF-8)') for qw(output failure_output todo_output);
my $TRIES = 2;
my $MAX_BODY = 262144;
my $s;

my $BODY = <<'END';
{
  "conversation_id": "optional-uuid-string",
  "history": "<USER>Hello, how are you?</USER><br><BOT>I'm doing well!</BOT><br>",
  "resources": {
    "user_id": "123",
    "session_type": "web",
    "additional_context": "any value"
  }
}
END

# A number, a text, a truth or null: JSON::PP writes what it has read as it was.
sub kind {
    my $text = Stack::Client->encode($_[0]);
    return $text =~ /^"/ ? 'text' : $text =~ /^-?\d/ ? 'number' : $text =~ /^(true|false)$/ ? 'truth' : $text eq 'null' ? 'null' : 'more';
}

sub has_kinds {
    my ($what, $object, %kinds) = @_;
    is_deeply({map { ($_ => kind($object->{$_})) } keys %$object}, \%kinds, "$what: its fields, and what they are");
    return;
}

my %RESPONSE = (success => 'truth', status => 'text', message => 'text', error => 'null', action => 'text', ai_job_id => 'text', lock_id => 'text',
    consolidated_messages => 'number', bot_name => 'text', conversation_id => 'text');
my %JOB = (job_id => 'text', conversation_id => 'text', status => 'text', created_at => 'number', started_at => 'number', completed_at => 'number', attempts => 'number',
    consolidated_messages => 'number', result => 'more', error => 'null');

sub post_body { return $s->client->request(method => 'POST', path => $Stack::CHAT, body => $_[0], headers => {%{$s->platform_headers}, 'Content-Type' => 'application/json'}) }

# An answer that began a job, as the document prints it. Returns its ids.
sub is_started {
    my ($what, $answer) = @_;
    is($answer->status, 200, "$what: 200") or diag($answer->text);
    my $j = $answer->json;
    has_kinds($what, $j, %RESPONSE);
    is_deeply({map { ($_ => $j->{$_}) } qw(success status message action consolidated_messages bot_name)}, {success => JSON::PP::true, status => 'ai_processing_started',
        message => 'Message received and AI processing started', action => 'lock_acquired', consolidated_messages => 1, bot_name => 'Default Bot'}, "$what: as printed");
    ok(Stack::is_uuid($j->{$_}), "$what: $_ is a UUID") for qw(ai_job_id lock_id);
    return $j;
}

# ---- the document's examples ----

sub request_and_response {
    $s->control(conversation_id => 'optional-uuid-string', ai => {delay_ms => 1500});
    my $answer = post_body($BODY);
    is(scalar(() = $s->replies('optional-uuid-string')), 0, 'answered before the AI is');
    my $j = is_started('the answer', $answer);
    is($j->{conversation_id}, 'optional-uuid-string', 'and whose conversation it is');

    my $running = $s->job_comes_to($j->{ai_job_id}, 20, 'processing');
    is_deeply([map { kind($running->{$_}) } qw(created_at started_at completed_at result error)], [qw(number number null null null)], 'while it runs: begun, not ended');
    my $job = $s->job_completes($j->{ai_job_id}) or return;
    has_kinds('the job', $job, %JOB);
    is_deeply([@$job{qw(job_id conversation_id attempts consolidated_messages)}], [$j->{ai_job_id}, 'optional-uuid-string', 1, 1], 'it is this job');
    cmp_ok($job->{created_at}, '<=', $job->{started_at}, 'created, then started,');
    cmp_ok($job->{started_at} + 1.4, '<=', $job->{completed_at}, 'and completed when the AI had answered');
    is($job->{result}{pancake_result}{status}, 'success', 'the reply is delivered');
    my ($call) = @{$s->ledger('optional-uuid-string')->{ai}};
    is_deeply([map { [$_->{role}, $_->{content}] } @{$call->{body}{messages}}], [['assistant', "I'm doing well!"], ['user', 'Hello, how are you?']], 'the AI is told all of it');
    is_deeply($call->{body}{metadata}, {user_id => '123', session_type => 'web', additional_context => 'any value'}, 'with all resources');
    my ($reply) = $s->replies('optional-uuid-string');
    is($reply->{turn_id}, $j->{ai_job_id}, 'the reply goes out under the job\'s id');
    is($reply->{distributed_lock_id}, $j->{lock_id} =~ tr/-//dr, 'and under the lock that was promised');
    return;
}

sub status_and_health {
    my $answer = wait_for('no job under way', 20, sub { my $a = $s->get('/api/v1/status/handler'); $a->status == 200 && $a->json->{components}{background_job_manager}{active_jobs} == 0 && $a })
        or return fail('the status');
    my $redis = $s->{store} eq 'redis' ? JSON::PP::true : JSON::PP::false;
    my $j = $answer->json;
    my %more = map { ($_ => delete $j->{components}{$_}) } qw(store archive daemon);
    is_deeply($j, {initialized => JSON::PP::true, components => {redis_connected => $redis, lock_manager => JSON::PP::true,
        background_job_manager => {redis_connected => $redis, status => 'healthy', active_jobs => 0}}, status => 'healthy'}, 'GET /api/v1/status/handler as printed');
    is(kind($j->{components}{background_job_manager}{active_jobs}), 'number', 'active_jobs is a number');
    is_deeply([$more{store}{status}, $more{archive}{backend}, $more{daemon}{running}], ['connected', $s->{postgres} ? 'PostgreSQL' : 'SQLite', JSON::PP::true], 'and the other parts');
    is_deeply($s->get('/health')->json, {status => 'ok'}, 'GET /health');
    return;
}

sub curl {
    my @command = @_;
    my $pid = open(my $out, '-|') // die "fork: $!";
    if (!$pid) { { no warnings 'exec'; exec 'curl', '-sS', '--noproxy', '*', @command } POSIX::_exit(127) }
    my $text = do { local $/; <$out> } // '';
    return close $out ? Stack::Client->decode($text) : {curl => $?, text => $text};
}

sub curl_commands {
    plan skip_all => 'curl is not installed' if missing('curl');
    my $at = "http://localhost:$s->{port}";
    is_deeply(curl("$at/health"), {status => 'ok'}, 'curl http://localhost:8000/health');
    is(curl("$at/api/v1/status/handler")->{initialized}, JSON::PP::true, 'curl http://localhost:8000/api/v1/status/handler');
    my $j = curl('-H', "Authorization: Bearer $s->{platform_token}", '-H', 'Content-Type: application/json', "$at$Stack::CHAT", '-d', $BODY =~ s/optional-uuid-string/by-curl/r);
    is($j->{status}, 'ai_processing_started', 'the request by curl') or diag(explain($j));
    $s->job_completes($j->{ai_job_id});
    return;
}

# ---- Message Processing: success cases, auto-generated IDs, resource handling ----

sub success {
    my $first = is_started('the first message', $s->chat('success', 'what do you have?'));
    $s->job_completes($first->{ai_job_id}) or return;
    my ($reply) = $s->replies('success');
    my $said = $reply->{ai_response}{response_text};
    my $second = is_started('the next one', $s->chat('success', ['u what do you have?', "b $said", 'u and for two?']));
    isnt($second->{ai_job_id}, $first->{ai_job_id}, 'a job of its own');
    $s->job_completes($second->{ai_job_id}) or return;
    is_deeply([$s->asked('success')], [['what do you have?'], ['and for two?']], 'the AI is asked what is new');
    is($s->ledger('success')->{ai}[1]{messages}, 3, 'and told what was said before, once');
    return;
}

sub auto_generated_ids {
    my @made = map { is_started("without an id ($_)", post_body($_)) } '{"history":"<USER>x</USER>"}', '{"conversation_id":null,"history":"<USER>x</USER>"}';
    ok(Stack::is_uuid($_->{conversation_id}), 'a UUID is made') for @made;
    isnt($made[0]{conversation_id}, $made[1]{conversation_id}, 'another each time');
    for (@made) {
        my $job = $s->job_completes($_->{ai_job_id}) or next;
        is($job->{conversation_id}, $_->{conversation_id}, 'the job knows it');
        is(scalar(() = $s->replies($_->{conversation_id})), 1, 'and the reply goes there');
    }
    my $again = $s->chat($made[0]{conversation_id}, ['u x', 'b y', 'u more']);
    is($again->json->{conversation_id}, $made[0]{conversation_id}, 'the conversation goes on under it');
    $s->job_completes($again->json->{ai_job_id});
    is_deeply([$s->asked($made[0]{conversation_id})], [['x'], ['more']], 'and is known');
    return;
}

sub resources_handling {
    my %cases = (none => undef, empty => {}, number => {user_id => 42}, nested => {user_id => 'u', deep => {list => [1, 'two', JSON::PP::null], "kl\x{fc}" => JSON::PP::true}},
        unknown_bot => {bot_id => 'nobody', user_id => 'u'});
    for my $name (sort keys %cases) {
        my $j = is_started("resources: $name", $s->chat("res-$name", 'x', resources => $cases{$name}));
        $s->job_completes($j->{ai_job_id}) or next;
        is_deeply($s->ledger("res-$name")->{ai}[0]{body}{metadata}, $cases{$name} // {}, "resources: $name: the AI has them as they were");
    }
    is($s->admin('/api/v1/admin/conversations/res-number')->json->{user_id}, '42', 'user_id names the customer');
    is($s->admin('/api/v1/admin/conversations/res-none')->json->{user_id}, 'anonymous:res-none', 'who has a name in any case');
    my $named = $s->chat('res-bot', 'x', resources => {bot_id => 'shop'});
    is($named->json->{bot_name}, 'The Shop', 'bot_id picks the bot');
    $s->job_completes($named->json->{ai_job_id});
    is_deeply($s->ledger('res-bot')->{ai}[0]{body}{bot}{id}, 'shop', 'and the AI knows which one it is');
    return;
}

# ---- Error Handling: exceptions, timeouts, validation errors. Those that take long begin early. ----

my %FAULTS = ('ai-500' => [{status => 500}, 'ai_unreachable'], 'ai-garbage' => [{body => 'it is broken'}, 'ai_invalid_answer'], 'ai-refuses' => [{status => 400}, 'ai_refused'],
    'ai-hangs' => [{hang => JSON::PP::true}, 'ai_unreachable', {bot_id => 'hasty'}]);

sub begin_faults {
    for my $c (sort keys %FAULTS) {
        $s->control(conversation_id => $c, ai => $FAULTS{$c}[0]);
        push @{$FAULTS{$c}}, $s->chat($c, 'are you there?', resources => $FAULTS{$c}[2] // {})->json->{ai_job_id};
    }
    return;
}

sub fault {
    my ($c) = @_;
    my ($script, $reason) = @{$FAULTS{$c}};
    my $id = pop @{$FAULTS{$c}};
    my $job = $s->job_ends($id, 60) or return fail("$c: no end");
    is_deeply([@$job{qw(status error attempts)}], ['failed', $reason, $TRIES], "$c: failed, with its reason, after $TRIES tries");
    is(scalar(@{$s->ledger($c)->{ai}}), $TRIES, "$c: the AI was asked as often");
    is(scalar(() = $s->replies($c)), 0, "$c: nothing was sent");
    my @letters = $s->letters($c);
    is_deeply([map { [@$_{qw(type reason attempts)}] } @letters], [['turn', $reason, $TRIES]], "$c: one dead letter") or return;
    $s->control(conversation_id => $c, ai => {map { ($_ => undef) } keys %$script});
    my $retried = $s->admin_post("/api/v1/admin/queue/dead/$letters[0]{id}/retry");
    is($retried->status, 200, "$c: an administrator has it tried again") or diag($retried->text);
    my $revived = $s->job_completes($id) or return;
    is_deeply([@$revived{qw(error merged_into)}], [undef, $retried->json->{turn_id}], "$c: and whoever asks for it sees that it completes, as another one");
    is_deeply($s->answered_texts($c), {'are you there?' => 1}, "$c: one reply");
    is(scalar($s->letters($c)), 0, "$c: the letter is gone");
    return;
}

sub exceptions { fault($_) for qw(ai-500 ai-garbage ai-refuses); return }
sub timeouts   { fault('ai-hangs'); return }

sub validation_errors {
    my $at = sub { my ($answer) = @_; return {map { (join('.', @{$_->{loc}}) => $_->{type}) } @{$answer->json->{detail} || []}} };
    my @cases = (
        ['nothing', '{}', {'body.history' => 'missing'}],
        ['every field wrong at once', '{"conversation_id":7,"history":5,"resources":[]}',
            {'body.conversation_id' => 'string_type', 'body.history' => 'string_type', 'body.resources' => 'dict_type'}],
        ['also inside of resources', '{"conversation_id":"","resources":{"user_id":true,"bot_id":[],"callback_url":3}}',
            {'body.conversation_id' => 'string_too_short', 'body.history' => 'missing', 'body.resources.user_id' => 'string_type', 'body.resources.bot_id' => 'string_type',
                'body.resources.callback_url' => 'string_type'}],
        ['too long an id', '{"conversation_id":"' . 'x' x 257 . '","history":"<USER>x</USER>"}', {'body.conversation_id' => 'string_too_long'}],
        ['no list', '[]', undef],
        map({ ["the history $_->[0]", Stack::Client->encode({history => $_->[1]}), {'body.history' => 'history_markup'}] } ['without tags', 'hello'],
            ['of a bot alone', '<BOT>x</BOT>'], ['with text between', '<USER>x</USER> so <BOT>y</BOT>'], ['that does not close', '<USER>x'], ['with empty parts', '<USER> </USER>']),
        ['a callback that is not allowed', '{"history":"<USER>x</USER>","resources":{"callback_url":"https://evil.example/"}}', {'body.resources.callback_url' => 'callback_url'}],
    );
    for (@cases) {
        my ($name, $body, $want) = @$_;
        my $answer = post_body($body);
        is($answer->status, 422, "$name: 422") or diag($answer->text);
        is_deeply($at->($answer), $want, "$name: where and what") if $want;
        my @odd = grep { join(' ', sort keys %$_) ne 'loc msg type' || ref $_->{loc} ne 'ARRAY' || kind($_->{msg}) ne 'text' } @{$answer->json->{detail}};
        ok(@{$answer->json->{detail}} && !@odd, "$name: the detail is a list of loc, msg, type");
    }
    is(post_body('{"history":')->status, 400, 'what is no JSON at all is 400');
    like(post_body('{"history":"<USER>x</USER> so"}')->json->{detail}[0]{msg}, qr/character 16$/, 'markup: the place is told');
    return;
}

# ---- Authentication ----

sub access_control {
    my $id = $s->chat('access', 'x')->json->{ai_job_id};
    my %who = (none => undef, wrong => 'Bearer nonsense', basic => 'Basic ' . 'eDp5', empty => 'Bearer ', platform => "Bearer $s->{platform_token}", admin => "Bearer $s->{admin_token}");
    my $n = 0;
    for my $who (sort keys %who) {
        my $good = $who eq 'platform' || $who eq 'admin';
        my @requests = ({json => {history => '<USER>x</USER>'}, path => $Stack::CHAT}, {path => "$Stack::JOBS/$id"}, {path => "$Stack::JOBS/$id/events", late => 1},
            {path => "$Stack::JOBS/none/cancel", method => 'POST', want => 404}, {path => "$Stack::JOBS/none", method => 'DELETE', want => 404});
        for my $r (grep { !$_->{late} || !$good } @requests) {
            my $answer = $s->client->request(%$r, headers => {defined $who{$who} ? (Authorization => $who{$who}) : ()});
            is($answer->status, $good ? $r->{want} // 200 : 401, "$who: " . ($r->{method} // '') . " $r->{path}") or diag($answer->text);
            like($answer->header('WWW-Authenticate') // '', qr/^Bearer/, "$who: how to") if !$good;
        }
    }
    is($s->get('/api/v1/status/handler')->status, 200, 'the status needs no credential');
    is($s->get('/health')->status, 200, 'nor does the health');
    $s->job_completes($id);
    return;
}

# ---- Edge Cases: long history, special characters, concurrent requests ----

sub long_history {
    my @parts = map { ($_ % 2 ? 'b' : 'u') . " part $_ " . 'long ' x 120 } 0 .. 300;
    cmp_ok(length Stack::history(@parts), '>', 180_000, 'a history of nearly 200 KB, 301 parts');
    my $j = is_started('a long history', $s->chat('long', \@parts));
    $s->job_completes($j->{ai_job_id}) or return;
    my $body = $s->ledger('long')->{ai}[0]{body};
    is(scalar @{$body->{messages}}, 41, 'the AI gets what is to be answered and CONTEXT_MESSAGES before it');
    like($body->{messages}[0]{content}, qr/^part 260 /, 'the newest ones');
    like($body->{messages}[-1]{content}, qr/^part 300 /, 'in order');
    my ($said) = map { $_->{ai_response}{response_text} } $s->replies('long');
    my $next = is_started('the same, and one more', $s->chat('long', [@parts, "b $said", 'u the last one']));
    $s->job_completes($next->{ai_job_id}) or return;
    is_deeply(($s->asked('long'))[1], ['the last one'], 'which alone is new');
    is($s->chat('long', [@parts, "b $said", 'u the last one'])->json->{ai_job_id}, $next->{ai_job_id}, 'and then nothing is');

    my $of_size = sub { my $size = shift; my $frame = '{"conversation_id":"huge","history":"<USER>first</USER>","resources":{"fill":""}}'; substr $frame, -3, 0, 'x' x ($size - length $frame); $frame };
    my $huge = post_body($of_size->($MAX_BODY + 1));
    is($huge->status, 413, 'a byte more than MAX_BODY_BYTES: 413') or diag($huge->text);
    my $most = post_body($of_size->($MAX_BODY));
    is($most->status, 200, 'as many as that') or diag($most->text);
    $s->job_completes($most->json->{ai_job_id}) if $most->status == 200;
    return;
}

sub special_characters {
    my %texts = (
        'Vietnamese'  => ['Tôi muốn đặt bàn cho 2 người, tối thứ Bảy được không ạ?'], 'emoji' => ['🍜👩‍👩‍👧‍👦 ❤️ 👍🏽'],
        'entities'    => ['&lt;b&gt; &amp;amp; &quot;x&quot; &#39;y&#39; &#x1F600; &eacute; &nosuch; AT&T', "<b> &amp; \"x\" 'y' 😀 é &nosuch; AT&T"],
        'tags inside' => ['<b>bold</b> <script>alert(1)</script> <USER id="1"> </BOT> 1 < 2', '<b>bold</b> <script>alert(1)</script> <USER id="1"> </BOT> 1 < 2'],
        'lines'       => ["one<br>two<br/>three\nfour\r\nfive", "one\ntwo\nthree\nfour\nfive"], 'quoting' => ['"quoted" \\ back\\n {"json":[1]} %s %00 \'); DROP TABLE jobs;--'],
        'any plane'   => ["\x{200b}\x{202e}abc\x{202c} \x{fdfd} \x{1d54f} \x{10fffd} e\x{301}"],
    );
    for my $name (sort keys %texts) {
        my ($written, $meant) = @{$texts{$name}};
        $meant //= $written;
        my $c = 'special-' . $name =~ tr/ /-/r;
        my $bot = $written =~ s{</BOT>}{</USER>}r; # its own closing tag would end it
        my $j = is_started($name, $s->chat($c, ["b $bot", "u $written"], resources => {note => $written}));
        my $job = $s->job_completes($j->{ai_job_id}) or next;
        my $body = $s->ledger($c)->{ai}[0]{body};
        is_deeply([map { $_->{content} } @{$body->{messages}}], [$meant =~ s{</BOT>}{</USER>}r, $meant], "$name: to the AI");
        is($body->{metadata}{note}, $written, "$name: resources are no markup");
        like($job->{result}{ai_response}{response_text}, qr/\Q] $meant\E$/, "$name: in the job");
        my ($reply) = $s->replies($c);
        like($reply->{actions}[0]{data}{message}, qr/\Q] $meant\E$/, "$name: to the platform");
        is($s->chat($c, ["b $bot", "u $written"])->json->{status}, 'already_processed', "$name: repeated it is known");
    }
    my $id = "id-\x{1ebf}-🍜 &<>\"'";
    my $j = $s->chat($id, 'x')->json;
    is($j->{conversation_id}, $id, 'an id of such characters');
    $s->job_completes($j->{ai_job_id});
    return;
}

sub concurrent_to_one {
    $s->control(conversation_id => 'crowd', ai => {delay_ms => Stack::delay_ms(2)});
    my @answers = $s->burst([map { $s->chat_request('crowd', "number $_ of the crowd") } 1 .. 50]);
    is(scalar(grep { $_->status != 200 } @answers), 0, '50 at once to one conversation: all are accepted') or diag((grep { $_->status != 200 } @answers)[0]->text);
    my %status;
    $status{$_->json->{status}}++ for @answers;
    is_deeply(\%status, {ai_processing_started => 1, locked => 49}, 'one begins the job, the others join');
    my %jobs = map { ($_->json->{ai_job_id} => 1) } @answers;
    my @ended = map { $s->job_completes($_, 60) // {} } keys %jobs;
    is(scalar(grep { $_->{result} && $_->{result}{pancake_result}{status} eq 'success' } @ended), scalar @ended, 'whatever id one was told: completed, with a reply');
    is_deeply($s->answered_texts('crowd'), {map { ("number $_ of the crowd" => 1) } 1 .. 50}, 'nobody is lost, nobody is answered twice');
    is(scalar(() = $s->replies('crowd')), 1, 'one reply covers all');
    is((sort { $a <=> $b } map { $_->{consolidated_messages} } @ended)[-1], 50, 'and its job says so');
    return;
}

sub concurrent_to_many {
    $s->control(ai => {delay_ms => 200});
    my @answers = $s->burst([map { $s->chat_request("many-$_", "hello from $_") } 1 .. 50]);
    $s->control(ai => {delay_ms => undef});
    is(scalar(grep { $_->status != 200 || $_->json->{status} ne 'ai_processing_started' } @answers), 0, '50 conversations at once: a job each');
    my @open = grep { my $job = $s->job_completes($_->json->{ai_job_id}, 60); !$job } @answers;
    is(scalar @open, 0, 'each completes');
    is(scalar(grep { (() = $s->replies("many-$_")) != 1 } 1 .. 50), 0, 'with one reply');
    return;
}

# ---- Integration: real handler with database and Redis fallbacks ----

sub real_handler_with_database {
    my $j = is_started('the real handler', $s->chat('real', 'is it stored?'));
    my $job = $s->job_completes($j->{ai_job_id}) or return;
    is($job->{result}{storage_backend}, $s->{store} eq 'redis' ? 'Redis' : 'SQLite', 'which store it was');
    is(kind($job->{result}{distributed_lock_used}) . " $job->{result}{distributed_lock_used}", 'truth ' . ($s->{store} eq 'redis' ? 1 : 0), 'and which lock');
    return if !$s->{postgres};
    my $row = wait_for('its row', 20, sub {
        ($s->psql_try("SELECT conversation_id, bot_id, status, attempts, consolidated_messages, result->>'response_text', error, created_at <= started_at, started_at <= completed_at"
            . " FROM jobs WHERE id = '$j->{ai_job_id}'") || [])->[0];
    });
    is($row // '', "real|default|completed|1|1|$job->{result}{ai_response}{response_text}||t|t", 'the job is a row of the table jobs');


    return;
}

sub services {
    my $double = "http://127.0.0.1:$s->{double_port}";
    $s->configure_services(['ai-cores', {name => 'hasty', provider => 'native', base_url => $double, timeout_ms => 2000}],
        ['bots', {bot_id => 'hasty', name => 'Hasty', ai_core => 'hasty'}], ['bots', {bot_id => 'shop', name => 'The Shop'}]);
    return;
}

my %SEED = (REDIS_MAX_CONNECTIONS => 100, REDIS_SOCKET_TIMEOUT => 30, CONVERSATION_STATE_TTL => 3600, PROCESSING_LOCK_TTL => 300, DEBUG => 'true', LOG_LEVEL => 'INFO');

for (grep { !$ENV{ONLY} || $ENV{ONLY} eq join '-', @$_ } ['sqlite', 'lighttpd'], ['redis', 'lighttpd'], ['redis', 'apache']) {
    my ($store, $web) = @$_;
    subtest "$store behind $web" => sub {
        my $absent = missing($web, $store eq 'redis' ? qw(redis postgres) : ());
        plan skip_all => "$absent is not installed" if $absent;
        $s = Stack->start(web => $web, store => $store,
            env => {%SEED, ENVIRONMENT => 'development', JOB_MAX_ATTEMPTS => $TRIES, AI_SERVICE_TIMEOUT => 300, AI_SERVICE_RETRIES => 0, BREAKER_FAILURES => 0, MAX_BODY_BYTES => $MAX_BODY});
        ok(wait_for('the tables', 30, sub { $s->admin('/api/v1/admin/bots')->status == 200 }), 'it is up');
        $s->control(ai => {keep => JSON::PP::true});
        services();
        begin_faults();
        subtest 'example: request and response'            => \&request_and_response;
        subtest 'example: curl'                            => \&curl_commands;
        subtest 'message processing: success'              => \&success;
        subtest 'message processing: auto-generated ids'   => \&auto_generated_ids;
        subtest 'message processing: resource handling'    => \&resources_handling;
        subtest 'error handling: validation errors'        => \&validation_errors;
        subtest 'authentication: access control'           => \&access_control;
        subtest 'edge cases: long history'                 => \&long_history;
        subtest 'edge cases: special characters'           => \&special_characters;
        subtest 'edge cases: concurrent requests'          => sub { concurrent_to_one(); concurrent_to_many() };
        subtest 'error handling: exceptions'               => \&exceptions;
        subtest 'error handling: timeouts'                 => \&timeouts;
        subtest 'integration: real handler with database'  => \&real_handler_with_database;
        subtest 'example: status and health'               => \&status_and_health;
        is($s->double_stats->{$_}, 0, "no $_") for qw(duplicate_messages duplicate_keys fence_regressions);
        $s->end_well;
    };
}

done_testing;
