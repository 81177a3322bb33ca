#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# The administrator's HTTP API on real servers: the first document's commands as printed, listings, the fate of a message, cancel, pause,
# cleanup, health and figures while servers are away, dead letters.
use strict;
use warnings;
use B ();
use FindBin;
use lib "$FindBin::Bin/../lib";
use Test::More;
use Time::HiRes qw(sleep time);
use Stack;

my $V1 = '/api/v1/admin';

# As the first document prints them. Only host, port and {id} are replaced.
my %command = (
    health => <<'SH',
curl -H "Authorization: Bearer $ADMIN_ACCESS_TOKEN" \
     http://localhost:8000/api/v1/admin/health
SH
    stats => <<'SH',
curl -H "Authorization: Bearer $ADMIN_ACCESS_TOKEN" \
     http://localhost:8000/api/v1/admin/stats
SH
    cancel => <<'SH',
curl -X POST -H "Authorization: Bearer $ADMIN_ACCESS_TOKEN" \
     http://localhost:8000/api/v1/admin/conversations/{id}/cancel
SH
    cleanup => <<'SH',
curl -X POST -H "Authorization: Bearer $ADMIN_ACCESS_TOKEN" \
     http://localhost:8000/api/v1/admin/system/cleanup?max_age_hours=24
SH
);
# Its other two endpoints, asked for in the same way.
$command{list} = $command{health} =~ s{health}{conversations}r;
$command{short_cleanup} = $command{cleanup} =~ s{/api/v1/admin/system/cleanup\S*}{/admin/system/cleanup}r;

# What the shell prints: the decoded JSON, or undef with a diagnosis.
sub run_command {
    my ($s, $name, $id) = @_;
    (my $text = $command{$name}) =~ s/localhost:8000/127.0.0.1:$s->{port}/;
    $text =~ s/\{id\}/$id/ if defined $id;
    local $ENV{ADMIN_ACCESS_TOKEN} = $s->{admin_token};
    my $pid = open my $fh, '-|' // die "fork: $!";
    if (!$pid) {
        open STDERR, '>>', "$s->{dir}/logs/curl.log";
        exec 'sh', '-c', $text;
    }
    my $out = do { local $/; <$fh> } // '';
    close $fh;
    my $json = Stack::Client->decode($out);
    diag("$name: $out") if ref $json ne 'HASH' || exists $json->{code};
    return ref $json eq 'HASH' ? $json : {};
}

# ---- types ----

sub is_number { my $v = shift; return defined $v && !ref $v && (B::svref_2object(\$v)->FLAGS & (B::SVp_IOK | B::SVp_NOK)) != 0 }
my %is_type = (
    integer => sub { is_number($_[0]) && $_[0] == int $_[0] },
    number  => sub { is_number($_[0]) },
    string  => sub { defined $_[0] && !ref $_[0] && !is_number($_[0]) && length $_[0] },
    boolean => sub { JSON::PP::is_bool($_[0]) },
    array   => sub { ref $_[0] eq 'ARRAY' },
    object  => sub { ref $_[0] eq 'HASH' },
);

sub has_fields {
    my ($what, $object, %type) = @_;
    for my $path (sort keys %type) {
        my $value = $object;
        $value = ref $value eq 'HASH' ? $value->{$_} : undef for split /\./, $path;
        ok($is_type{$type{$path}}->($value), "$what: $path is of type $type{$path}") or diag(Stack::Client->encode($value));
    }
    return;
}

sub admin_json { my ($s, $path) = @_; my $a = $s->admin("$V1$path"); diag("$path: " . $a->text) if $a->status != 200; return $a->json || {} }
# A POST as `curl -X POST` sends it: no body, no type.
sub post {
    my ($s, $path, $method) = @_;
    return $s->client->request(method => $method // 'POST', path => "$V1$path", headers => $s->admin_headers);
}
sub drained { my $s = shift; return wait_for('the archive', 20, sub { my $q = $s->admin("$V1/queue")->json; $q && $q->{depth} == 0 && $q->{taken} == 0 }) }
# The first heartbeat comes a moment after the first answer.
sub healthy {
    my $s = shift;
    my $last;
    return wait_for('health', 30, sub { $last = $s->admin("$V1/health"); $last->status == 200 && $last->json->{status} eq 'healthy' }) || (diag($last->text), 0)[1];
}
sub thinking { my ($s, $c, $n) = @_; return wait_for('the AI call', 10, sub { @{$s->ledger($c)->{ai}} >= ($n // 1) }) }

# ---- the first document ----

sub check_printed {
    my ($s, $backend) = @_;
    my $list = run_command($s, 'list');
    has_fields('conversations', $list, total_conversations => 'integer', conversations => 'array', storage_backend => 'string');
    is($list->{storage_backend}, $backend, 'storage_backend');
    is($list->{total_conversations}, 2, 'two conversations');
    is_deeply([map { $_->{conversation_id} } @{$list->{conversations}}], [qw(conv_2 conv_1)], 'newest activity first');
    has_fields('a conversation', $list->{conversations}[1], conversation_id => 'string', last_message_id => 'string',
        last_message_timestamp => 'number', ai_processing => 'boolean', context_size => 'integer');
    is($list->{conversations}[1]{last_message_id}, 'm1', 'last_message_id');
    is($list->{conversations}[1]{last_message_timestamp}, 1699123456.789, 'last_message_timestamp as it was sent');
    ok(!$list->{conversations}[1]{ai_processing}, 'ai_processing');
    ok(exists $list->{next_cursor} && !defined $list->{next_cursor}, 'next_cursor: there is no more');

    my $health = run_command($s, 'health');
    has_fields('health', $health, status => 'string', timestamp => 'number', statistics => 'object', 'statistics.total_conversations' => 'integer',
        'statistics.active_ai_tasks' => 'integer', 'statistics.stuck_conversations' => 'integer', redis_status => 'string',
        storage_backend => 'string', stuck_conversations => 'array', supported_action_types => 'array',
        postgres_status => 'string', queue => 'object', daemon => 'object');
    is($health->{status}, 'healthy', 'healthy') or diag(Stack::Client->encode($health));
    cmp_ok(abs($health->{timestamp} - time), '<', bound(60), 'timestamp is now');
    is($health->{statistics}{total_conversations}, 2, 'total_conversations');
    is($health->{storage_backend}, $backend, 'storage_backend');
    is($health->{redis_status}, $backend eq 'Redis' ? 'connected' : 'not_configured', 'redis_status');
    is($health->{postgres_status}, $s->{postgres} ? 'connected' : 'not_configured', 'postgres_status');
    is_deeply($health->{supported_action_types}, [qw(send_message send_quick_replies send_carousel transfer_to_agent collect_info execute_api
        end_conversation)], 'supported_action_types');
    ok(exists $health->{durability}, 'durability');

    my $stats = run_command($s, 'stats');
    has_fields('stats', $stats, timestamp => 'number', conversations => 'object', storage_backend => 'string', queue => 'object', turns => 'object',
        map { ("conversations.$_" => 'integer') } qw(total recent old active_processing));
    is_deeply([@{$stats->{conversations}}{qw(total recent old active_processing)}], [2, 2, 0, 0], 'two recent conversations');
    is($stats->{storage_backend}, $backend, 'storage_backend');
    if ($backend eq 'Redis') {
        has_fields('stats', $stats, 'redis_stats.connected_clients' => 'integer', 'redis_stats.used_memory_human' => 'string',
            'redis_stats.keyspace_hits' => 'integer', 'redis_stats.keyspace_misses' => 'integer');
        like($stats->{redis_stats}{used_memory_human}, qr/^[\d.]+[BKMG]$/, 'used_memory_human');
    }
    has_fields('stats', $stats, map { ("postgres_stats.$_" => 'number') } qw(connections pool_size database_size_bytes commit_total archive_lag_seconds))
        if $s->{postgres};

    my $cancel = run_command($s, 'cancel', 'conv_1');
    is($cancel->{cancelled}, JSON::PP::false(), 'nothing to cancel in an idle conversation');
    for my $name (qw(cleanup short_cleanup)) {
        my $cleanup = run_command($s, $name);
        has_fields($name, $cleanup, removed => 'integer', examined => 'integer', kept => 'object', complete => 'boolean', dry_run => 'boolean',
            max_age_hours => 'number');
        is($cleanup->{max_age_hours}, 24, "$name: 24 hours");
        is($cleanup->{removed}, 0, "$name: nothing is that old");
    }
    return;
}

# Every route over the wire: who may, and ids with everything in them.
sub check_wire {
    my $s = shift;
    my @routes = (
        (map { [GET => $_] } '/conversations', '/conversations/c', '/health', '/stats', '/queue', '/queue/dead', '/messages/m?conversation_id=c'),
        (map { [POST => $_] } '/conversations/c/cancel', '/conversations/c/pause', '/conversations/c/resume', '/system/cleanup', '/queue/dead/d/retry'),
        [DELETE => '/queue/dead/d']);
    for my $route (@routes) {
        my @status = map { $s->client->request(method => $route->[0], path => "$V1$route->[1]", headers => $_)->status } {}, $s->platform_headers;
        is("@status", '401 403', "@$route: without a token, with the platform's");
    }
    is($s->client->request(method => 'HEAD', path => "$V1/health", headers => $s->admin_headers)->status, 200, 'HEAD');
    is($s->client->request(method => 'PUT', path => "$V1/health", headers => $s->admin_headers)->header('Allow'), 'GET, HEAD', '405 says what is allowed');
    my $bad = $s->admin("$V1/conversations?limit=0&state=odd&limit=1");
    is($bad->status, 422, 'wrong parameters');
    is_deeply([map { $_->{loc} } @{$bad->json->{detail}}], [['query', 'limit'], ['query', 'state']], 'all of them at once');
    is($s->admin("$V1/conversations?cursor=garbage")->json->{code}, 'bad_cursor', 'a cursor that is none');

    my $id = "h\x{1ed9}i tho\x{1ea1}i/1?%";
    (my $escaped = join '', map { sprintf '%%%02X', ord } split //, do { my $b = $id; utf8::encode($b); $b });
    is($s->post_message($id, 'm/1', 'hi', sender_type => 'system')->outcome, 'recorded', 'an id with everything in it');
    my $show = $s->admin("$V1/conversations/$escaped");
    is($show->json->{conversation_id}, $id, 'is found') or diag($show->text);
    is(post($s, "/conversations/$escaped/cancel")->json->{cancelled}, JSON::PP::false(), 'and cancelled');
    is($s->admin("$V1/messages/m%2F1?conversation_id=$escaped")->json->{message_id}, 'm/1', 'and so is its message');
    is($s->admin("$V1/conversations/nobody")->json->{code}, 'unknown_conversation', 'an unknown conversation');
    is(post($s, "/conversations/nobody/$_")->status, 404, "$_ of an unknown one") for qw(cancel pause resume);
    is($s->admin("$V1/messages/nothing?conversation_id=conv_1")->status, 404, 'an unknown message');
    return;
}

# ---- cleanup ----

sub prepare_cleanup {
    my $store = shift;
    my $s = Stack->start(store => $store, env => {SYNC_WAIT_MS => 1000, AI_SERVICE_TIMEOUT => 300});
    $s->control(conversation_id => 'running', ai => {delay_ms => 280_000});
    is($s->post_message('running', 'm1')->outcome, 'processing', "$store: one goes on running");
    is($s->post_message('running', 'm2')->outcome, 'locked', "$store: with a message that waits");
    is($s->post_message("old_$_", 'm1', "my name is $_")->outcome, 'completed', "$store: old_$_") for 1 .. 5;
    return $s;
}

sub cleanup {
    my $s = shift;
    my $dry;
    ok(wait_for('five to be old enough', 120, sub { $dry = post($s, '/system/cleanup?max_age_hours=0&dry_run=true')->json; $dry->{removed} == 5 }),
        'what was used within the last minute is kept in any case, then five could go') or diag(Stack::Client->encode($dry));
    is($dry->{dry_run}, JSON::PP::true(), 'dry run');
    is(admin_json($s, '/conversations')->{total_conversations}, 6, 'and they are still there');
    is(post($s, '/system/cleanup?max_age_hours=0.5')->json->{removed}, 0, 'none is half an hour old');
    my $real = post($s, '/system/cleanup?max_age_hours=0')->json;
    is($real->{removed}, 5, 'five are gone') or diag(Stack::Client->encode($real));
    is($real->{complete}, JSON::PP::true(), 'complete');
    is($real->{kept}{busy} + $real->{kept}{pending}, 1, 'the running one is kept') or diag(Stack::Client->encode($real));
    is_deeply([map { $_->{conversation_id} } @{admin_json($s, '/conversations')->{conversations}}], ['running'], 'it alone is left');
    $s->control(conversation_id => 'running', ai => {delay_ms => 0});
    is_deeply(post($s, '/conversations/running/cancel')->json->{messages}, ['m1'], 'its turn still runs');
    ok(wait_for('the reply', 20, sub { $s->covered('running')->{m2} }), 'and what waited behind it is answered then');
    is($s->post_message('old_1', 'm1', 'my name is 1')->json->{result}{replayed}, JSON::PP::true(), 'a forgotten message again is no new one');
    is($s->post_message('old_1', 'm2')->outcome, 'completed', 'who comes back is answered');
    cmp_ok($s->ledger('old_1')->{ai}[-1]{messages}, '>=', 3, 'with the context that the archive has');
    return;
}

# Two stacks are left alone for the minute in which nothing is removed; everything else is tested meanwhile.
my @growing_old;
subtest 'conversations that grow old' => sub {
    my $absent = missing('lighttpd');
    plan skip_all => "$absent is not installed" if $absent;
    @growing_old = map { prepare_cleanup($_) } 'sqlite', missing(qw(redis postgres)) ? () : 'redis';
};

# ---- the first document's commands, on real servers ----

for my $part (['redis', 'lighttpd'], ['redis', 'apache'], ['sqlite', 'lighttpd']) {
    my ($store, $web) = @$part;
    subtest "the first document's commands, $store behind $web" => sub {
        my $absent = missing($web, 'curl', $store eq 'redis' ? qw(redis postgres) : ());
        plan skip_all => "$absent is not installed" if $absent;
        my $s = Stack->start(web => $web, store => $store);
        is($s->post_message('conv_1', 'm1', 'hello', timestamp => 1699123456.789)->outcome, 'completed', 'a conversation');
        is($s->post_message('conv_2', 'm1')->outcome, 'completed', 'another one');
        drained($s);
        healthy($s);
        check_printed($s, $store eq 'redis' ? 'Redis' : 'SQLite');
        check_wire($s);
        $s->end_well;
    };
}

# ---- listings ----

for my $store (qw(redis sqlite)) {
    subtest "pages, $store" => sub {
        my $absent = missing('lighttpd', $store eq 'redis' ? 'redis' : ());
        plan skip_all => "$absent is not installed" if $absent;
        my $s = Stack->start(store => $store, postgres => 0);
        my $n = 0;
        my $add = sub { # conversations that cost no AI call
            my @answers = $s->burst([map { $s->message('page_' . ++$n, 'm1', 'x', sender_type => 'system') } 1 .. shift]);
            return scalar grep { $_->outcome eq 'recorded' } @answers;
        };
        is($add->(120), 120, '120 conversations');
        my (%seen, @sizes);
        my $cursor = '';
        do {
            my $page = admin_json($s, "/conversations?limit=25&cursor=$cursor");
            push @sizes, scalar @{$page->{conversations} || []};
            $seen{$_->{conversation_id}}++ for @{$page->{conversations}};
            is($page->{total_conversations}, $n, "page @{[scalar @sizes]}: total_conversations");
            $add->(3); # newer than all that is still to come
            $cursor = $page->{next_cursor};
        } while (defined $cursor && @sizes < 20);
        is("@sizes", '25 25 25 25 20', 'pages of 25');
        is_deeply(\%seen, {map { ("page_$_" => 1) } 1 .. 120}, 'every conversation once, while new ones arrive');
        my @newest = map { $_->{conversation_id} =~ /(\d+)/ } @{admin_json($s, '/conversations?limit=3')->{conversations}};
        is_deeply([sort { $a <=> $b } @newest], [$n - 2 .. $n], 'the newest come first');
        $s->end_well;
    };
}

# A responder that is killed in an AI call, and no daemon: the lease passes its deadline and nobody frees it but the administrator.
subtest 'states, and a lock that is stuck' => sub {
    my $absent = missing('lighttpd', 'redis');
    plan skip_all => "$absent is not installed" if $absent;
    my $s = Stack->start(store => 'redis', postgres => 0, responders => 1, daemons => 0, env => {PROCESSING_LOCK_TTL => 3});
    my $ids = sub { [sort map { $_->{conversation_id} } @{admin_json($s, "/conversations?state=$_[0]")->{conversations}}] };
    $s->post_message('idle', 'm1');
    $s->post_message('silent', 'm1');
    is(post($s, '/conversations/silent/pause')->json->{check_reply}, JSON::PP::false(), 'pause');
    $s->control(conversation_id => 'busy', ai => {delay_ms => 30_000});
    my $client = $s->background($s->message('busy', 'm1'));
    thinking($s, 'busy');
    is_deeply($ids->('active'), ['busy'], 'active');
    is_deeply($ids->('paused'), ['silent'], 'paused');
    is_deeply($ids->('stuck'), [], 'none is stuck');
    is_deeply($ids->('all'), [qw(busy idle silent)], 'all');
    my ($busy) = grep { $_->{conversation_id} eq 'busy' } @{admin_json($s, '/conversations')->{conversations}};
    is($busy->{ai_processing}, JSON::PP::true(), 'ai_processing');
    is(admin_json($s, '/health')->{statistics}{active_ai_tasks}, 1, 'active_ai_tasks');
    my $show = admin_json($s, '/conversations/busy');
    has_fields('a running turn', $show, conversation_id => 'string', phase => 'string', turn_id => 'string', lease => 'object', send => 'object', pending => 'integer',
        pending_messages => 'array', restarts => 'integer', timeline => 'array', check_reply => 'boolean');
    has_fields('its lease', $show->{lease}, held => 'boolean', owner => 'string', age_ms => 'integer', left_ms => 'integer', fence => 'integer');
    is($show->{pending_messages}[0]{message_id}, 'm1', 'its message');
    is($show->{timeline}[0]{message_id}, 'm1', 'its timeline');

    $s->responder(1)->kill9;
    $client->();
    $s->start_responder(1);
    ok(wait_for('the lease to pass its deadline', 20, sub { "@{$ids->('stuck')}" eq 'busy' }), 'stuck');
    my $health = run_command($s, 'health');
    is($health->{statistics}{stuck_conversations}, 1, 'health counts it');
    my ($stuck) = @{$health->{stuck_conversations} || []};
    is(ref $stuck eq 'HASH' ? $stuck->{conversation_id} : $stuck, 'busy', 'and names it');
    $s->control(conversation_id => 'busy', ai => {delay_ms => 0});
    my $cancelled = run_command($s, 'cancel', 'busy');
    is($cancelled->{cancelled}, JSON::PP::true(), 'the command for a stuck lock frees it');
    is_deeply($cancelled->{messages}, ['m1'], 'its message is cancelled');
    is($s->redis('EXISTS', 'lock:busy'), 0, 'the lock is gone');
    is_deeply($ids->('stuck'), [], 'nothing is stuck any more');
    is($s->post_message('busy', 'm2')->outcome, 'completed', 'the next message is answered');
    is_deeply($s->covered('busy'), {m2 => 1}, 'it alone');
    $s->end_well(except => ['responder 1']);
};

# ---- one conversation ----

for my $store (qw(redis sqlite)) {
    subtest "fate, cancel, pause, $store" => sub {
        my $absent = missing('lighttpd', $store eq 'redis' ? qw(redis postgres) : ());
        plan skip_all => "$absent is not installed" if $absent;
        my $s = Stack->start(store => $store);
        fate($s);
        cancel($s);
        pause($s);
        $s->end_well;
    };
}

# received -> merged -> superseded -> sent
sub fate {
    my $s = shift;
    $s->control(conversation_id => 'fate', ai => {delay_ms => 1000});
    my $first = $s->background($s->message('fate', 'm1'));
    thinking($s, 'fate');
    $s->post_message('fate', 'm2');
    my $restart = $first->()->json->{result};
    is($restart->{status}, 'restart_needed', 'a reply is superseded');
    ok(wait_for('the reply to both', 30, sub { my $c = $s->covered('fate'); $c->{m1} && $c->{m2} }), 'both messages are answered');
    my $fate = wait_for('its fate', 10, sub {
        my $f = admin_json($s, '/messages/m1?conversation_id=fate');
        return ($f->{status} // '') eq 'completed' && $f;
    }) or return fail('the fate of m1') || diag($s->admin("$V1/messages/m1?conversation_id=fate")->text);
    has_fields('fate', $fate, conversation_id => 'string', message_id => 'string', received_at => 'number', turn_id => 'string', ended_at => 'number',
        superseded => 'array', steps => 'array');
    my @steps = map { $_->{step} } @{$fate->{steps}};
    like("@steps", qr/^received merged .*\bsuperseded\b.* sent$/, 'received, merged, superseded, sent') or diag("@steps");
    my ($merged) = grep { $_->{step} eq 'merged' } @{$fate->{steps}};
    is_deeply($fate->{superseded}, [$merged->{turn_id}], 'superseded names the turn whose reply was withheld');
    isnt($merged->{turn_id}, $fate->{turn_id}, 'which is another');
    is($fate->{turn_id}, $restart->{restart}{job_id}, 'turn_id is the one that answered');
    my @times = grep { defined } map { $_->{at} } @{$fate->{steps}};
    is("@times", join(' ', sort { $a <=> $b } @times), 'in order of their time');
    my $timeline = admin_json($s, '/conversations/fate')->{timeline};
    is_deeply([map { $_->{message_id} } @$timeline], [qw(m1 m2)], 'the timeline has both, oldest first');
    is(scalar(grep { ($_->{status} // '') eq 'completed' } @$timeline), 2, 'both completed');
    return;
}

sub cancel {
    my $s = shift;
    $s->control(conversation_id => 'cancel', ai => {delay_ms => 20_000});
    my $client = $s->background($s->message('cancel', 'm1'));
    thinking($s, 'cancel');
    my $answer = post($s, '/conversations/cancel/cancel');
    is($answer->status, 200, 'cancel') or diag($answer->text);
    is($answer->json->{cancelled}, JSON::PP::true(), 'cancelled');
    is_deeply($answer->json->{messages}, ['m1'], 'its messages');
    ok(wait_for('the end of the AI call', 5, sub { $s->ledger('cancel')->{ai}[0]{closed_early} }), "the AI's connection is closed");
    is($client->()->outcome, 'cancelled', 'the waiting client is told');
    is(scalar @{$s->ledger('cancel')->{platform}}, 0, 'nothing went to the platform');
    my $job = $s->admin("/api/v1/chat/jobs/" . $answer->json->{turn_id});
    is($job->json->{status}, 'cancelled', 'so says the job') or diag($job->text);
    is($s->post_message('cancel', 'm1')->outcome, 'cancelled', 'the same message again is not begun anew');
    is(admin_json($s, '/messages/m1?conversation_id=cancel')->{status}, 'cancelled', 'its fate');
    is(post($s, '/conversations/cancel/cancel')->json->{cancelled}, JSON::PP::false(), 'a second cancel finds nothing');
    $s->control(conversation_id => 'cancel', ai => {delay_ms => 0});
    is($s->post_message('cancel', 'm2')->outcome, 'completed', 'the next message starts at once');
    is_deeply($s->covered('cancel'), {m2 => 1}, 'and is answered alone');
    # while the reply is on its way it is too late
    $s->control(conversation_id => 'late', platform => {delay_ms => 1500});
    my $late = $s->background($s->message('late', 'm1'));
    wait_for('the platform', 10, sub { @{$s->ledger('late')->{platform}} > 0 });
    my $too_late = post($s, '/conversations/late/cancel');
    is($too_late->status, 409, 'too late') or diag($too_late->text);
    is($too_late->json->{code}, 'too_late', 'too_late');
    is($late->()->outcome, 'completed', 'and the reply was sent');
    return;
}

sub pause {
    my $s = shift;
    is($s->post_message('pause', 'm1')->outcome, 'completed', 'before');
    my $pause = $s->admin_post("$V1/conversations/pause/pause", {minutes => 10});
    is($pause->json->{check_reply}, JSON::PP::false(), 'pause') or diag($pause->text);
    cmp_ok(abs($pause->json->{check_reply_until} - time - 600), '<', bound(30), 'for ten minutes');
    my $silent = $s->post_message('pause', 'm2')->json->{result};
    is("$silent->{status} $silent->{reason}", 'recorded bot_paused', 'a message meanwhile is recorded');
    is(admin_json($s, '/conversations/pause')->{check_reply}, JSON::PP::false(), 'check_reply');
    is(admin_json($s, '/messages/m2?conversation_id=pause')->{reason}, 'bot_paused', 'and so is its fate');
    my $resume = post($s, '/conversations/pause/resume');
    is($resume->json->{check_reply}, JSON::PP::true(), 'resume') or diag($resume->text);
    is($s->post_message('pause', 'm3')->outcome, 'completed', 'afterwards');
    is_deeply($s->covered('pause'), {m1 => 1, m3 => 1}, 'what came in the silence is context, not a question');
    my $open = post($s, '/conversations/pause/pause');
    ok(exists $open->json->{check_reply_until} && !defined $open->json->{check_reply_until}, 'without a body: until resumed');
    return;
}

# ---- servers that are away ----

subtest 'without PostgreSQL, without Redis' => sub {
    my $absent = missing('lighttpd', qw(redis postgres));
    plan skip_all => "$absent is not installed" if $absent;
    my $s = Stack->start(store => 'redis', env => {STORE_FALLBACK => 'reject'});
    $s->post_message('c', 'm1');
    drained($s);
    ok(healthy($s), 'healthy');
    $s->kill_postgres;
    my $answer = wait_for('the loss of PostgreSQL', 30, sub { my $a = $s->admin("$V1/health"); ($a->json->{postgres_status} // '') eq 'disconnected' && $a });
    ok($answer, 'postgres_status: disconnected') or diag($s->admin("$V1/health")->text);
    is($answer->status, 200, 'still 200');
    is($answer->json->{status}, 'degraded', 'degraded');
    is($answer->json->{redis_status}, 'connected', 'Redis is there');
    is($s->admin("$V1/stats")->status, 200, 'stats answers');
    $s->post_message('c', 'm2');
    my $kept = post($s, '/system/cleanup?max_age_hours=0')->json;
    is($kept->{removed}, 0, 'what is not archived is not removed') or diag(Stack::Client->encode($kept));
    $s->start_postgres;
    ok(healthy($s), 'healthy again');
    $s->{redis}->kill9;
    $answer = wait_for('the loss of Redis', 30, sub { my $a = $s->admin("$V1/health"); $a->status == 503 && $a });
    ok($answer, '503') or diag($s->admin("$V1/health")->text);
    is($answer->json->{status}, 'unhealthy', 'unhealthy') or diag($answer->text);
    is($answer->json->{redis_status}, 'disconnected', 'redis_status: disconnected');
    like($answer->header('Retry-After') // '', qr/^\d+$/, 'Retry-After');
    for my $path ('/conversations', '/conversations/c', '/stats', '/queue', '/queue/dead', '/messages/m1?conversation_id=c') {
        my $a = $s->admin("$V1$path");
        ok($a->status == 503 || $a->status == 200, "$path answers") or diag($a->text);
    }
    is(post($s, '/conversations/c/cancel')->status, 503, 'cancel cannot be done');
    $s->start_redis;
    ok(wait_for('its return', 30, sub { $s->admin("$V1/health")->status == 200 }), 'and back');
    $s->end_well;
};

# ---- what was given up ----

sub dead { my $s = shift; return @{admin_json($s, '/queue/dead')->{dead} || []} }

subtest 'dead letters' => sub {
    my $absent = missing('lighttpd', 'redis-cli', qw(redis postgres));
    plan skip_all => "$absent is not installed" if $absent;
    my $s = Stack->start(store => 'redis', env => {JOB_MAX_ATTEMPTS => 2});
    has_fields('queue', admin_json($s, '/queue'), depth => 'integer', taken => 'integer', dead => 'integer');
    is_deeply([dead($s)], [], 'none');
    my $poison = '{"type":"message","v":1,"conversation_id":"poison","message":7}';
    is(system('redis-cli', '-p', $s->{redis_port}, 'rpush', 'message_queue', $poison), 0, 'a poison item, by redis-cli');
    my ($letter) = @{wait_for('the dead letter', 20, sub { my @d = dead($s); @d && \@d }) || []};
    ok($letter, 'becomes a dead letter') or return $s->end_well;
    has_fields('a dead letter', $letter, id => 'string', at => 'number', reason => 'string');
    is($letter->{conversation_id}, 'poison', 'its conversation') if defined $letter->{conversation_id};
    is(admin_json($s, '/queue')->{dead}, 1, 'is counted');
    my $retry = post($s, "/queue/dead/$letter->{id}/retry");
    is($retry->json->{retried}, JSON::PP::true(), 'retry') or diag($retry->text);
    my ($again) = @{wait_for('it to come back', 20, sub { my @d = grep { $_->{id} ne $letter->{id} } dead($s); @d && \@d }) || []};
    ok($again, 'it comes back, since it is still poison') or diag(Stack::Client->encode([dead($s)]));
    is(scalar(() = dead($s)), 1, 'and is there once');
    my $gone = post($s, "/queue/dead/$again->{id}", 'DELETE');
    is($gone->json->{discarded}, JSON::PP::true(), 'discard') or diag($gone->text);
    is_deeply([dead($s)], [], 'it is gone');
    my $twice = post($s, "/queue/dead/$again->{id}", 'DELETE');
    is($twice->status . ' ' . $twice->json->{code}, '404 unknown_dead_letter', 'and unknown then');
    is(post($s, "/queue/dead/$again->{id}/retry")->status, 404, 'for retry too');

    # many of them, in pages
    $s->redis('RPUSH', 'message_queue', map { "{\"poison\":$_}" } 1 .. 7);
    ok(wait_for('seven dead letters', 20, sub { dead($s) == 7 }), 'seven more');
    my (%seen, $cursor);
    for (1 .. 4) {
        my $page = admin_json($s, '/queue/dead?limit=3' . (defined $cursor ? "&cursor=$cursor" : ''));
        is($page->{total}, 7, 'total');
        $seen{$_->{id}}++ for @{$page->{dead}};
        $cursor = $page->{next_cursor} // last;
    }
    is(join(' ', sort values %seen), '1 1 1 1 1 1 1', 'in pages, each once');
    post($s, "/queue/dead/$_", 'DELETE') for keys %seen;

    # a turn that was given up
    $s->control(conversation_id => 'given_up', ai => {status => 400});
    my $failed = $s->post_message('given_up', 'm1', 'will you help me?');
    my ($turn) = @{wait_for('the turn to be given up', 40, sub { my @d = dead($s); @d && \@d }) || []};
    ok($turn, 'a turn that fails twice becomes a dead letter') or diag($failed->text) && return $s->end_well;
    is($turn->{conversation_id}, 'given_up', 'of its conversation');
    has_fields('it', $turn, type => 'string', reason => 'string', attempts => 'integer');
    is(scalar(() = $s->replies('given_up')), 0, 'the customer was not answered');
    my $job_id = $failed->json->{result}{turn_id} // $failed->json->{result}{job_id};
    my $job = $s->admin("/api/v1/chat/jobs/$job_id");
    is($job->json->{status}, 'failed', 'the job says so') or diag($job->text);
    ok(length($job->json->{error} // $job->json->{result}{reason} // ''), 'and why') or diag($job->text);
    is(admin_json($s, '/messages/m1?conversation_id=given_up')->{status}, 'failed', 'and the fate of its message');
    $s->control(conversation_id => 'given_up', ai => {status => 200});
    my $revived = post($s, "/queue/dead/$turn->{id}/retry");
    is($revived->json->{retried}, JSON::PP::true(), 'the AI is well again: retry') or diag($revived->text);
    ok(wait_for('the reply', 30, sub { $s->covered('given_up')->{m1} }), 'answers the customer');
    is_deeply($s->covered('given_up'), {m1 => 1}, 'once');
    is_deeply([dead($s)], [], 'the letter is gone');
    $s->end_well;
};

# A turn that may be tried once, and its owner is killed over it.
for my $store (qw(redis sqlite)) {
    subtest "owners lost, $store" => sub {
        my $absent = missing('lighttpd', $store eq 'redis' ? qw(redis postgres) : ());
        plan skip_all => "$absent is not installed" if $absent;
        my $s = Stack->start(store => $store, responders => 1, env => {JOB_MAX_ATTEMPTS => 1, PROCESSING_LOCK_TTL => 3});
        $s->control(conversation_id => 'c', ai => {delay_ms => 30_000});
        my $client = $s->background($s->message('c', 'm1'));
        thinking($s, 'c');
        $s->responder(1)->kill9;
        $client->();
        $s->start_responder(1);
        my ($turn) = @{wait_for('the turn to be given up', 40, sub { my @d = dead($s); @d && \@d }) || []};
        ok($turn, 'a turn whose owner is lost becomes a dead letter') or return $s->end_well(except => ['responder 1']);
        is($turn->{reason}, 'owners_lost', 'which says why');
        is_deeply([map { $_->{message_id} } @{$turn->{item}{messages}}], ['m1'], 'with its message');
        my $fate = admin_json($s, '/messages/m1?conversation_id=c');
        is("$fate->{status} $fate->{reason}", 'failed owners_lost', 'as the message does');
        my $show = admin_json($s, '/conversations/c');
        is("$show->{phase} $show->{pending} " . @{$show->{pending_messages}}, 'idle 0 0', 'nothing is pending, by record and by list');
        $s->control(conversation_id => 'c', ai => {delay_ms => 0});
        is(post($s, "/queue/dead/$turn->{id}/retry")->json->{retried}, JSON::PP::true(), 'retry');
        ok(wait_for('the reply', 30, sub { $s->covered('c')->{m1} }), 'answers the customer');
        is_deeply($s->covered('c'), {m1 => 1}, 'once');
        is_deeply([dead($s)], [], 'the letter is gone');
        $s->end_well(except => ['responder 1']);
    };
}

# ---- cleanup, of what has grown old meanwhile ----

subtest 'cleanup' => sub {
    plan skip_all => 'lighttpd is not installed' if !@growing_old;
    for my $s (@growing_old) {
        note($s->{store});
        cleanup($s);
        $s->end_well;
    }
};

done_testing;
