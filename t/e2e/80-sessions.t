#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# Sessions as a chat page and an inbox use them: read from a cache that is never older than the last answer to a write, on every instance; their state;
# messages; customers; what happens without Redis and without PostgreSQL. The document's three monitoring commands.
use strict;
use warnings;
use utf8;
use FindBin;
use lib "$FindBin::Bin/../lib";
use JSON::PP ();
use Test::More;
use Time::HiRes qw(sleep time);
use Stack;
use Stack::Sessions;

my $s;
my ($true, $false) = (JSON::PP::true, JSON::PP::false);

sub cache_of { return $_[0]->header('X-Cache') // '(none)' }
sub known { my ($id, $what) = @_; return wait_for("$id in the database", 30, sub { ($s->psql_try($what) || [])->[0] }) }
sub counted { my ($id, $n) = @_; return wait_for("$n messages of $id", 30, sub { ($s->session($id)->{message_count} // 0) >= $n }) }

# Until the archive has nothing to do.
sub settle { return wait_for('an empty queue', 30, sub { my $q = $s->admin('/api/v1/admin/queue')->json; defined $q->{depth} && $q->{depth} + $q->{taken} == 0 }) }

# As a cleanup does after a day.
sub forget {
    my $id = shift;
    settle();
    $s->redis('DEL', (map { "$_:$id" } qw(chat_session session_customer conversation lock events)), "conversation:$id:context", "conversation:$id:pending");
    $s->redis('ZREM', $_, $id) for qw(activity active waiting paused due);
    return;
}

# ---- reading ----

sub reading {
    is($s->read_session('nobody')->status, 404, 'an unknown session is 404');
    is($s->read_session('nobody')->json->{code}, 'unknown_session', 'and says so');
    is($s->read_session('nobody', headers => {})->status, 401, 'without a credential 401');

    my $began = time;
    is($s->post_message('one', 'm1', 'hello there', sender_id => 'u 1')->json->{result}{status}, 'completed', 'a message of A');
    my $read = $s->read_session('one');
    is($read->status . ' ' . cache_of($read), '200 HIT', 'its session is in the cache');
    my $session = $read->json;
    is_deeply([sort keys %$session],
        [sort qw(session_id user_id status check_reply check_reply_until created_at last_activity message_count last_message customer)], 'all fields');
    is_deeply([@$session{qw(session_id user_id status check_reply check_reply_until message_count)}], ['one', 'u 1', 'active', $true, undef, 1], 'as they are')
        or diag(explain($session));
    ok(abs($session->{created_at} - $began) < 60 && $session->{last_activity} >= $session->{created_at}, 'times in seconds');
    is($session->{last_message}{sender_type}, 'bot', 'the reply is the last message');
    ok(length $session->{last_message}{content}, 'with its text');

    $s->chat('two', 'from the other entrance', resources => {user_id => 'u 2'});
    ok(wait_for('the reply', 30, sub { ($s->session('two')->{last_message}{sender_type} // '') eq 'bot' }), 'a job of B is in its session');
    is($s->session('two')->{user_id}, 'u 2', 'with its user');
    return if $s->{store} ne 'redis';

    ok($s->redis('EXISTS', 'chat_session:one'), 'chat_session:<id> is there');
    my $ttl = $s->redis('TTL', 'chat_session:one');
    ok($ttl > 3000 && $ttl <= 3600, 'for SESSION_CACHE_TTL') or diag($ttl);
    $s->redis('DEL', 'chat_session:one');
    my @seen = map { $s->read_session('one') } 1 .. 2;
    is_deeply([map { cache_of($_) } @seen], ['MISS', 'HIT'], 'what was forgotten is made anew from the record, and cached');
    is_deeply($_->json, $session, 'and is the same') for @seen;

    forget('one');
    @seen = map { $s->read_session('one') } 1 .. 2;
    is_deeply([map { cache_of($_) } @seen], ['MISS', 'HIT'], 'what the store has forgotten comes from the database, and is cached');
    my $archived = $seen[0]->json;
    is_deeply([@$archived{qw(session_id user_id status check_reply message_count)}], [@$session{qw(session_id user_id status check_reply message_count)}],
        'and says the same');
    is($archived->{last_message}{content}, $session->{last_message}{content}, 'the reply, too');

    # it comes back: what was before is a part of it
    my $patched = $s->patch_session('one', status => 'closed')->json;
    is_deeply([@$patched{qw(status user_id message_count created_at)}, $patched->{last_message}{content}],
        ['closed', @$archived{qw(user_id message_count created_at)}, $archived->{last_message}{content}], 'a forgotten session whose state is set is the same but for that')
        or diag(explain($patched));
    $s->post_message('one', 'm2', 'here I am again', sender_id => 'u 1');
    my $again = $s->session('one');
    is_deeply([@$again{qw(status user_id message_count created_at)}], ['active', 'u 1', 2, $archived->{created_at}], 'and goes on counting when the customer writes')
        or diag(explain($again));
    forget('one');
    $s->post_message('one', 'm3', 'and once more', sender_id => 'u 1');
    $again = $s->session('one');
    is_deeply([@$again{qw(status user_id message_count created_at)}], ['active', 'u 1', 3, $archived->{created_at}], 'also when nobody looked in between')
        or diag(explain($again));
    return;
}

# ---- its state ----

sub state {
    is($s->patch_session('nobody', status => 'closed')->status, 404, 'nobody has no state');
    $s->post_message('state', 'm1', 'hello');
    my %wrong = (
        'nothing' => {}, 'a status that is none' => {status => 'sleeping'}, 'a flag that is none' => {check_reply => 'no'},
        'two times' => {check_reply => $false, minutes => 1, until => time + 60}, 'a time for nothing' => {minutes => 5},
        'a time that has passed' => {check_reply => $false, until => time - 5}, 'a time with true' => {check_reply => $true, minutes => 5},
    );
    is($s->patch_session('state', %{$wrong{$_}})->status, 422, "422: $_") for sort keys %wrong;

    my $closed = $s->patch_session('state', status => 'closed');
    is($closed->status . ' ' . $closed->json->{status}, '200 closed', 'closed') or diag($closed->text);
    is($s->session('state')->{status}, 'closed', 'the next read shows it');
    is($s->patch_session('state', status => 'archived')->json->{status}, 'archived', 'archived');
    is(known('state', "SELECT status FROM chat_sessions WHERE session_id = 'state' AND status = 'archived'"), 'archived', 'the database follows')
        if $s->{postgres};
    is($s->say('state', 'I am back')->status, 202, 'a customer writes');
    is($s->session('state')->{status}, 'active', 'and opens it again');

    my $until = int(time) + 600;
    my $silent = $s->patch_session('state', check_reply => $false, until => $until);
    is_deeply([@{$silent->json}{qw(check_reply check_reply_until)}], [$false, $until], 'silenced until a time') or diag($silent->text);
    my $said = $s->say('state', 'is anybody there?')->json;
    is_deeply([@$said{qw(accepted check_reply job_id reason)}], [$true, $false, undef, 'bot_paused'], 'a message meanwhile is kept, not answered');
    is($s->session('state')->{last_message}{content}, 'is anybody there?', 'and shown');
    is_deeply([@{$s->patch_session('state', check_reply => $true)->json}{qw(check_reply check_reply_until)}], [$true, undef], 'it may speak again');

    $s->patch_session('state', check_reply => $false, minutes => 0.1); # 6 s
    is($s->session('state')->{check_reply}, $false, 'silenced for a moment');
    my $read;
    ok(wait_for('the moment to pass', 40, sub { $read = $s->read_session('state'); $read->json->{check_reply} }), 'which passes');
    is(cache_of($read) . ' ' . ($read->json->{check_reply_until} // 'null'), 'HIT null', 'also in the cache');
    ok($s->say('state', 'and now?')->json->{job_id}, 'and the bot answers');
    ok(wait_for('the answer', 30, sub { ($s->session('state')->{last_message}{sender_type} // '') eq 'bot' }), 'indeed');

    $s->post_message('state', 'a1', 'Lan here, I take over', sender_type => 'agent', sender_id => 'lan');
    is($s->session('state')->{check_reply}, $false, 'a person who writes through A silences it, too');
    return;
}

# ---- messages ----

sub messages {
    my $first = $s->say('talk', 'good morning', message_id => 'w1');
    is($first->status, 202, 'accepted') or diag($first->text);
    my $said = $first->json;
    is_deeply([@$said{qw(accepted message_id check_reply session_id)}], [$true, 'w1', $true, 'talk'], 'with its id');
    my $job = $s->job_completes($said->{job_id} // 'none') or return;
    is($job->{conversation_id}, 'talk', 'and answered as a job');
    is_deeply($s->covered('talk'), {w1 => 1}, 'which reaches the platform once');
    my $again = $s->say('talk', 'good morning', message_id => 'w1');
    is_deeply([$again->status, @{$again->json}{qw(accepted message_id duplicate)}], [202, $true, 'w1', $true], 'the same again is accepted once');
    is_deeply($s->covered('talk'), {w1 => 1}, 'and answered once');
    my $made = $s->say('talk', 'no id of my own')->json;
    like($made->{message_id}, qr/^[0-9a-f]{8}-[0-9a-f]{4}-7/, 'an id is made where there is none');
    $s->job_completes($made->{job_id});
    my @burst = $s->burst([map { $s->say_request('quick', "quick $_", message_id => "q$_") } 1 .. 5]);
    is(scalar(grep { $_->status == 202 && $_->json->{job_id} } @burst), 5, 'five at once are accepted');
    ok(wait_for('their answer', 30, sub { keys %{$s->covered('quick')} == 5 }), 'and answered');
    is_deeply([values %{$s->covered('quick')}], [(1) x 5], 'each once');
    ok(counted('quick', 5), 'all are in the session');
    my $agent = $s->say('talk', 'I am a person', sender_type => 'agent', sender_id => 'lan')->json;
    is_deeply([@$agent{qw(accepted check_reply job_id reason)}], [$true, $false, undef, 'agent_message'], 'a person takes over');
    my %wrong = ('no content' => {content => undef}, 'no sender' => {sender_id => undef}, 'no type' => {sender_type => undef}, 'a wrong type' => {sender_type => 'alien'},
        'a long id' => {message_id => 'x' x 257}, 'metadata that are none' => {metadata => []}, 'an empty text' => {content => ''}, 'a huge text' => {content => 'x' x 65537});
    is($s->say('talk', 'x', %{$wrong{$_}})->status, 422, "422: $_") for sort keys %wrong;
    my $several = $s->client->request(path => "$Stack::SESSIONS/talk/messages", headers => $s->platform_headers, json => {sender_type => 7});
    is(scalar(@{$several->json->{detail}}), 3, 'all wrong fields are listed') or diag($several->text);
    is(known('talk', "SELECT count(*) FROM messages WHERE conversation_id = 'talk' HAVING count(*) = 3"), 3, 'each is in the database once') if $s->{postgres};
    return;
}

# What a write answered is what the next read shows, whichever responder is asked.
sub coherence {
    my $wrong = 0;
    $s->say('coherent', 'hello');
    ok(wait_for('its answer', 30, sub { ($s->session('coherent')->{last_message}{sender_type} // '') eq 'bot' }), 'nobody else writes any more') or return;
    for my $n (1 .. 60) {
        my $flag = $n % 2 ? $false : $true;
        my $told = $s->patch_session('coherent', check_reply => $flag)->json->{check_reply};
        my @seen = map { $s->session('coherent') } 1 .. 3; # other connections: other responders
        $wrong += grep { $_->{check_reply} ne $told || $told ne $flag } @seen;
        $s->say('coherent', "text $n", sender_type => 'system');
        $wrong += grep { ($_->{last_message}{content} // '') ne "text $n" || $_->{check_reply} ne $flag } map { $s->session('coherent') } 1 .. 3;
    }
    is($wrong, 0, 'of 360 reads behind writes none was stale');
    return;
}

# ---- customers ----

sub customers {
    is($s->get('/api/v1/customers/nobody', $s->platform_headers)->status, 404, 'nobody is known');
    $s->say('shop', 'Em ơi sđt chị là 0912 345 678 nhé, mail: Lan.Nguyen@Example.com', sender_id => 'buyer', message_id => 'c1');
    my $customer = wait_for('the customer', 30, sub { my $a = $s->get('/api/v1/customers/buyer', $s->platform_headers); $a->status == 200 && $a->json }) or return;
    is_deeply([@$customer{qw(sender_id phone email)}], ['buyer', '+84912345678', 'Lan.Nguyen@example.com'], 'telephone and mail');
    is_deeply([@{$customer->{sources}{phone}}{qw(conversation_id message_id)}], ['shop', 'c1'], 'and where they are from');
    my $shown = wait_for('the session to know', 30, sub { $s->session('shop')->{customer} });
    is($shown->{phone} // '', '+84912345678', 'the session shows them');
    $s->control(conversation_id => 'named', ai => {body => JSON::PP->new->encode(
        {response_text => 'Dạ vâng ạ', entities => {name => 'Nguyễn Thị Lan', address => '12 Lê Lợi, Huế'}})});
    $s->say('named', 'gửi về Huế giúp em', sender_id => 'buyer');
    $customer = wait_for('the name', 30, sub { my $c = $s->get('/api/v1/customers/buyer', $s->platform_headers)->json; $c->{name} && $c }) or return;
    is_deeply([@$customer{qw(name address phone)}], ['Nguyễn Thị Lan', '12 Lê Lợi, Huế', '+84912345678'], 'what the AI found, beside what was known');
    return;
}

# ---- the document's commands, and figures ----

sub monitoring {
    is($s->redis('PING'), 'PONG', 'redis-cli ping');
    settle();
    is($s->redis('LLEN', 'message_queue'), 0, 'redis-cli llen message_queue: nothing waits');
    $s->daemon(1)->signal('STOP');
    $s->say('watched', "text $_", sender_type => 'system') for 1 .. 4;
    cmp_ok($s->redis('LLEN', 'message_queue'), '>=', 4, 'and what waits is counted');
    $s->daemon(1)->signal('CONT');
    ok(settle(), 'until it is done');
    my $keys = $s->redis('KEYS', 'chat_session:*');
    ok((grep { $_ eq 'chat_session:watched' } @$keys), 'redis-cli keys "chat_session:*" shows the sessions');
    my $cache = $s->admin('/api/v1/admin/cache')->json;
    ok($cache->{hits} > 100 && $cache->{misses} >= 2, 'hits and misses are counted') or diag(explain($cache));
    ok($cache->{hit_rate} > 0.5 && $cache->{hit_rate} <= 1, 'and their rate');
    is($cache->{entries}, scalar @$keys, 'entries are the sessions in the cache');
    is($s->get('/api/v1/admin/cache', $s->platform_headers)->status, 403, 'for administrators');
    return;
}

# ---- without PostgreSQL, without Redis ----

sub database_paused {
    $s->say('paused', 'before');
    settle();
    my @pids = map { m{/proc/(\d+)/stat} && Stack::_parent($1) == $s->{postgresql}->pid ? $1 : () } glob '/proc/[0-9]*/stat';
    kill 'STOP', $s->{postgresql}->pid, @pids;
    my @answers = map { ($s->say('paused', "while $_", message_id => "p$_", sender_type => 'system'), $s->read_session('paused')) } 1 .. 20;
    my ($slowest) = sort { $b <=> $a } map { $_->took } @answers;
    kill 'CONT', $s->{postgresql}->pid, @pids;
    is(scalar(grep { $_->status != 200 && $_->status != 202 } @answers), 0, 'messages and reads are answered while PostgreSQL is stopped');
    is(scalar(grep { $_->status == 200 && cache_of($_) ne 'HIT' } @answers), 0, 'from the cache');
    cmp_ok($slowest, '<', bound(2), 'none waits for it');
    is(known('paused', "SELECT count(*) FROM messages WHERE conversation_id = 'paused' HAVING count(*) = 21"), 21, 'and nothing is missing afterwards');
    return;
}

sub redis_away {
    $s->say('away', 'before the outage');
    wait_for('the answer', 30, sub { ($s->session('away')->{last_message}{sender_type} // '') eq 'bot' });
    $s->patch_session('away', status => 'closed');
    $s->say('hush', 'before the outage');
    wait_for('the answer', 30, sub { ($s->session('hush')->{last_message}{sender_type} // '') eq 'bot' });
    $s->patch_session('hush', check_reply => $false);
    settle();
    my $before = $s->session('away');
    $s->{redis}->kill9;
    my $read;
    ok(wait_for('an answer without Redis', 30, sub { $read = $s->read_session('away'); $read->status == 200 }), 'it is read without Redis') or diag($read->text);
    is(cache_of($read), 'BYPASS', 'from the database');
    my $now = $read->json;
    is_deeply([@$now{qw(user_id status check_reply message_count created_at)}], [@$before{qw(user_id status check_reply message_count created_at)}], 'as it was');
    is($now->{last_message}{content}, $before->{last_message}{content}, 'with its last message');
    is($s->read_session('nobody')->status, 404, 'an unknown one is unknown');
    my $patched = $s->patch_session('away', status => 'archived');
    is($patched->status . ' ' . ($patched->json->{status} // ''), '200 archived', 'its state is set') or diag($patched->text);
    is($s->session('away')->{status}, 'archived', 'and read');
    my $said = $s->say('away', 'during the outage', message_id => 'during');
    is($said->status, 202, 'a message is accepted') or diag($said->text);
    ok(wait_for('its answer', 40, sub { ($s->covered('away')->{during} // 0) == 1 }), 'and answered');
    is($s->session('away')->{message_count}, 2, 'and counted');
    $s->say('hush', 'is anybody there?', message_id => 'unheard');
    $s->say('born', 'I have never been here before', message_id => 'b1');
    ok(wait_for('its answer', 40, sub { ($s->covered('born')->{b1} // 0) == 1 }), 'a new customer is answered');
    ok(wait_for('the silence', 40, sub { !$s->session('hush')->{check_reply} && ($s->psql_try("SELECT status FROM messages WHERE message_id = 'unheard'") || [])->[0] }), 'who was silenced before')
        or diag(explain($s->session('hush')));
    is_deeply([grep { $_ eq 'unheard' } keys %{$s->covered('hush')}], [], 'says nothing');
    $s->start_redis;
    ok(wait_for('Redis to be used again', 60, sub { $read = $s->read_session('away'); cache_of($read) =~ /HIT|MISS/ }), 'Redis is back');
    is(cache_of($s->read_session('away')), 'HIT', 'and caches');
    is($s->session('away')->{status}, 'active', 'what was written meanwhile is there');
    is_deeply([map { $s->session($_)->{message_count} } qw(away born hush)], [2, 1, 2], 'and counted as it was');
    is($s->session('hush')->{check_reply}, $false, 'and silent as before');
    is_deeply([values %{$s->covered('away')}], [(1) x keys %{$s->covered('away')}], 'nothing was answered twice');
    is(known('away', "SELECT count(*) FROM messages WHERE conversation_id = 'away' HAVING count(*) = 2"), 2, 'all of it is in the database');
    return;
}

for (['sqlite', 'lighttpd'], ['redis', 'lighttpd'], ['redis', 'apache']) {
    my ($store, $web) = @$_;
    subtest "$store behind $web" => sub {
        my $absent = missing($web, $store eq 'redis' ? qw(redis postgres) : ());
        plan skip_all => "$absent is not installed" if $absent;
        $s = Stack->start(web => $web, store => $store, env => {HUMAN_LEASE_MINUTES => 30});
        subtest 'reading'   => \&reading;
        subtest 'state'     => \&state;
        subtest 'messages'  => \&messages;
        subtest 'coherence' => \&coherence;
        subtest 'customers' => \&customers;
        if ($store eq 'redis') {
            subtest 'monitoring'             => \&monitoring;
            subtest 'PostgreSQL is stopped'  => \&database_paused;
            subtest 'Redis goes and returns' => \&redis_away if $web eq 'lighttpd';
        }
        $s->end_well(except => ['redis']);
    };
}

done_testing;
