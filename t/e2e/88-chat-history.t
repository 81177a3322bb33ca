#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# The history of chats as its document has it: the controller, action by action; whatever comes in through any of the other interfaces is there right after
# its answer, and stays when the archive has it, when Redis is emptied, and while PostgreSQL is stopped; figures and preferences.
use strict;
use warnings;
use utf8;
use FindBin;
use lib "$FindBin::Bin/../lib";
use JSON::PP ();
use POSIX qw(strftime);
use Test::More;
use Time::HiRes qw(sleep time);
use Stack;
use Stack::History;
use Stack::Sessions;

binmode Test::More->builder->$_, ':encoding(UTF-8)' for qw(output failure_output todo_output);

my $s;
my $time = qr/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z\z/;

sub code_of { my $j = $_[0]->json; return $_[0]->status . ' ' . (ref $j eq 'HASH' ? $j->{code} // '' : '') }
sub is_code { my ($answer, $code, $name) = @_; return is(code_of($answer), $code, $name) || diag($answer->text) }
# What a refusal says, but for its number.
sub words { my $j = $_[0]->json; delete $j->{request_id}; return Stack::Client->encode($j) }

# As the document shows it: curl itself. Returns status and what came.
sub curl {
    my @command = ('curl', '-sS', '-m', '60', '-w', '\n%{http_code}', @_);
    my $pid = open my $fh, '-|' // die "fork: $!";
    if (!$pid) {
        { no warnings 'exec'; exec { $command[0] } @command }
        POSIX::_exit(127);
    }
    my @lines = <$fh>;
    close $fh;
    my $status = pop @lines;
    return ($status, Stack::Client->decode(join '', @lines));
}

# ---- the controller ----

my $seed_exchange = '{
    "messageId": "uuid",
    "userId": "user123",
    "sessionId": "session456",
    "userMessage": "Hello",
    "aiResponse": "Hi there!",
    "timestamp": "2024-01-01T10:00:00Z",
    "metadata": {
        "aiModel": "gemini-1.5-flash",
        "responseTime": 1.2,
        "confidence": 0.95
    }
}';

sub as_the_document_has_it {
    my $base = "http://127.0.0.1:$s->{port}";
    my @user = ('-H', 'Authorization: ' . $s->user_headers('user123')->{Authorization});
    my ($status, $json) = curl('-X', 'POST', "$base/api/chathistory/sync", '-H', "Authorization: Bearer $s->{platform_token}", '-H', 'Content-Type: application/json',
        '-d', $seed_exchange);
    is("$status $json->{message}", '200 Chat message synced successfully', 'SyncChatMessage') or diag(explain($json));
    ($status, $json) = curl("$base/api/chathistory/user123/sessions/session456?page=1", @user);
    is($status, 200, 'getChatHistory(userId, sessionId)') or diag(explain($json));
    my $message = $json->{messages}[0];
    is_deeply([@$message{qw(messageId userId sessionId userMessage aiResponse timestamp metadata)}],
        ['uuid', 'user123', 'session456', 'Hello', 'Hi there!', '2024-01-01T10:00:00.000Z', {aiModel => 'gemini-1.5-flash', responseTime => 1.2, confidence => 0.95}],
        'the exchange as it was told') or diag(explain($json));
    is_deeply([@$json{qw(totalCount currentPage totalPages)}], [1, 1, 1], 'counted');
    my $info = $json->{sessionInfo};
    is_deeply([@$info{qw(sessionId userId messageCount status)}], ['session456', 'user123', 1, 'active'], 'sessionInfo') or diag(explain($info));
    like($info->{$_}, $time, $_) for qw(createdAt lastActivity);
    my ($again, $sessions) = curl("$base/api/chathistory/user123/sessions", @user);
    is_deeply($sessions, [$info], 'getUserSessions(userId)');
    ($again, $json) = curl("$base/api/ChatHistory/sessions/session456", @user);
    is_deeply($json, $info, 'GetSessionInfo');
    ($status, $json) = curl('-X', 'PATCH', "$base/api/chathistory/sessions/session456/archive", @user);
    is("$status $json->{message}", '200 Session archived successfully', 'ArchiveSession');
    is($s->history_as('user123', 'sessions/session456')->json->{status}, 'archived', 'is archived then');
    is($s->history_as('user123', 'user123/sessions')->json->[0]{status}, 'archived', 'in the list, too');
    is($s->page('user123', 'session456')->json->{sessionInfo}{status}, 'archived', 'and beside its page');
    return;
}

sub refusals {
    my $u = 'user123/sessions/session456';
    my $foreign = $s->history_as('user9', 'user9/sessions/session456');
    my $unknown = $s->history_as('user9', 'user9/sessions/nowhere');
    is_code($foreign, '403 forbidden', 'another\'s session');
    is(words($foreign), words($unknown), 'and an unknown one are the same');
    is(words($s->history_as('user9', $u)), words($unknown), 'so is another\'s under his name');
    is(words($s->history_as('user9', 'sessions/session456')), words($s->history_as('user9', 'sessions/nowhere')), 'GetSessionInfo, too');
    is_code($s->history_as('user9', 'sessions/session456/archive', method => 'PATCH'), '403 forbidden', 'and ArchiveSession');
    is_code($s->history_as('user9', 'user123/sessions'), '403 forbidden', 'GetUserSessions of another');
    is_deeply($s->history_as('user9', 'user9/sessions')->json, [], 'a user without sessions has none');
    is_code($s->history_as(undef, 'user123/sessions/nowhere'), '404 history_not_found', 'an administrator hears that a history is not there');
    is_code($s->history_as(undef, 'user9/sessions/session456'), '404 history_not_found', 'or not that user\'s');
    is_code($s->history_as(undef, 'sessions/nowhere'), '404 session_not_found', 'nor a session');
    is_code($s->history_as(undef, 'sessions/nowhere/archive', method => 'PATCH'), '404 session_not_found', 'which cannot be archived');
    is_deeply($s->history_as(undef, 'nobody/sessions')->json, [], 'nor has nobody any');
    is($s->history_as(undef, $u)->status, 200, 'and reads what there is');
    is_code($s->history_as('user123', $u, headers => {}), '401 unauthorized', 'without a token');
    is_code($s->history_as('user123', $u, headers => $s->platform_headers), '403 forbidden', 'the platform reads nothing');
    is_code($s->history_as('user123', 'sync', json => {userId => 'user123', sessionId => 'x'}), '403 forbidden', 'a user syncs nothing');
    is_code($s->sync({sessionId => 'x'}), '400 ids_required', 'sync without userId');
    is($s->sync({userId => 'x', sessionId => ''})->json->{error}, 'UserId and SessionId are required', 'in the document\'s words');
    is_code($s->history_as('user123', "$u?page=2"), '404 history_not_found', 'behind the last page');
    is_code($s->history_as('user123', "$u?fromDate=2024-01-01T10:00:01Z"), '404 history_not_found', 'nothing in that time');
    is($s->history_as('user123', "$u?fromDate=2024-01-01&toDate=2024-01-02")->status, 200, 'dates alone will do');
    my %wrong = ('page=0' => 'page', 'page=-1&pageSize=0' => 'page pageSize', 'pageSize=101' => 'pageSize', 'pageSize=99999999999999999999' => 'pageSize',
        'page=x&pageSize=y&fromDate=z&toDate=2024-13-01' => 'page pageSize fromDate toDate', 'fromDate=2024-01-02&toDate=2024-01-01' => 'toDate', 'cursor=abc' => 'cursor');
    for my $query (sort keys %wrong) {
        my $answer = $s->history_as('user123', "$u?$query");
        is($answer->status . ' ' . join(' ', map { $_->{loc}[1] } @{$answer->json->{detail} || []}), "422 $wrong{$query}", $query) or diag($answer->text);
    }
    is($s->history_as('user123', "$u?pageSize=100")->status, 200, 'pageSize 100 is the largest');
    is_code($s->history_as('user9', "user9/sessions/session456?cursor=abc"), '403 forbidden', 'whose it is comes before what is asked');
    is_code($s->history_as('user123', $u, method => 'PUT', json => {}), '405 method_not_allowed', 'another method');
    return;
}

# ---- whatever comes in is there ----

sub texts { return [map { [@$_{qw(messageId userMessage aiResponse timestamp metadata status)}] } @{$_[0]->json->{messages} || []}] }

# The same page from wherever it comes; `what` is done before.
sub is_same_page {
    my ($user, $session, $before, $name) = @_;
    my $now = $s->page($user, $session);
    is_deeply(texts($now), texts($before), $name) or diag($now->text);
    return is($now->json->{totalCount}, $before->json->{totalCount}, "$name: counted");
}

sub every_entrance {
    my $user = 'người dùng/7';
    my $session = 'mọi nơi 7';
    is($s->post_message($session, 'a1', 'through A', sender_id => $user)->json->{result}{status}, 'completed', 'A answers');
    my $a = $s->page($user, $session);
    is($a->status, 200, 'and it is in the history, right after the answer') or diag($a->text);
    is_deeply([@{$a->json->{messages}[0]}{qw(messageId userMessage userId)}], ['a1', 'through A', $user], 'with its text');
    ok(length $a->json->{messages}[0]{aiResponse}, 'and its reply');

    my $said = $s->say(Stack::segment($session), 'through C', sender_id => $user, message_id => 'c1');
    is($said->status, 202, 'C accepts');
    my ($c) = grep { $_->{messageId} eq 'c1' } @{$s->page($user, $session)->json->{messages}};
    is($c->{userMessage}, 'through C', 'and it is there');
    ok(wait_for('its reply', 30, sub { grep { $_->{messageId} eq 'c1' && defined $_->{aiResponse} } @{$s->page($user, $session)->json->{messages}} }), 'and its answer later');

    is($s->sync({messageId => 's1', userId => $user, sessionId => $session, userMessage => 'elsewhere', aiResponse => 'there', timestamp => '2024-05-06T07:08:09.123+07:00'})->status, 200,
        'sync of an older one');
    my $page = $s->page($user, $session);
    is(join(' ', map { $_->{messageId} } @{$page->json->{messages}}), 's1 a1 c1', 'is where its time is');
    is($page->json->{messages}[0]{timestamp}, '2024-05-06T00:08:09.123Z', 'in UTC');
    is($page->json->{messages}[0]{aiResponse}, 'there', 'with its answer');
    is_deeply([$page->json->{totalCount}, $page->json->{sessionInfo}{messageCount}], [3, 3], 'all count');

    my $b = $s->chat('through B', ['u first', 'b hello', 'u through B'], resources => {user_id => 'user of B'});
    ok($b->json->{ai_job_id}, 'B begins a job');
    my $of_b = $s->page('user of B', 'through B');
    is(join('|', map { $_->{userMessage} } @{$of_b->json->{messages}}), 'first|through B', 'its whole history is there') or diag($of_b->text);
    $s->job_completes($b->json->{ai_job_id});
    $of_b = $s->page('user of B', 'through B');
    ok(defined $of_b->json->{messages}[1]{aiResponse}, 'and the answer once it is made');
    is_deeply([$of_b->json->{totalCount}, $of_b->json->{sessionInfo}{messageCount}], [2, 2], 'each is counted once');
    return ([$user, $session, $page], ['user of B', 'through B', $of_b]);
}

sub stays {
    my @before = @_;
    ok($s->settle, 'all is archived');
    is_same_page(@$_, "$_->[1] in the archive, too") for @before;
    if ($s->{store} eq 'redis') {
        my $keys = $s->redis('KEYS', '*');
        ok((grep { $_ eq "session_info:through B" } @$keys), 'Redis has the document\'s keys') or diag(join ' ', sort @$keys);
        is($s->redis('TYPE', 'chat_history:user of B:through B'), 'list', 'chat_history:{userId}:{sessionId} is a list');
        is_deeply($s->redis('SMEMBERS', 'user_sessions:user of B'), ['through B'], 'user_sessions:{userId} a set');
        $s->redis('FLUSHDB');
        is_same_page(@$_, "$_->[1] after Redis was emptied") for @before;
        is($s->history_as('user of B', 'sessions/through%20B')->json->{messageCount}, 2, 'a session is found in the archive');
        is($s->history_as('user of B', 'user%20of%20B/sessions')->json->[0]{sessionId}, 'through B', 'so is a list');
    }
    return;
}

# ---- by cursor, while more comes ----

sub walking {
    my ($user, $session) = ('walker', 'a long way');
    my @told = map { {messageId => "w$_", userId => $user, sessionId => $session, userMessage => "step $_", timestamp => strftime('%Y-%m-%dT%H:%M:%SZ', gmtime(1_700_000_000 + int $_ / 3))} } 1 .. 60;
    is($s->sync([@told[0 .. 29]])->json->{synced}, 30, 'thirty at once');
    $s->settle;
    is($s->sync([@told[30 .. 59]])->json->{synced}, 30, 'thirty more');
    my ($cursor, $pages, @seen) = ('', 0);
    while (defined $cursor && $pages++ < 40) {
        my $answer = $s->page($user, $session, "pageSize=7&cursor=$cursor");
        last if !is($answer->status, 200, "page $pages");
        push @seen, reverse map { $_->{messageId} } @{$answer->json->{messages}};
        $cursor = $answer->json->{nextCursor};
        $s->sync({messageId => "late$pages", userId => $user, sessionId => $session, userMessage => 'meanwhile', timestamp => '2024-01-01T00:00:00Z'});
    }
    # of one time, those that came later are newer
    is_deeply(\@seen, [map { "w$_" } reverse 1 .. 60], 'a walk by cursor sees each once, newest first, whatever comes meanwhile');
    my $first = $s->page($user, $session, 'pageSize=100')->json;
    is_deeply([$first->{totalCount}, $first->{totalPages}], [60 + $pages, 1], 'a numbered page has them all') or diag(explain([@$first{qw(totalCount totalPages)}]));
    my $last = $s->page($user, $session, 'pageSize=20&page=4');
    is(page_ids($last), join(' ', map { "w$_" } 1 .. 60 + $pages - 60), 'the last page has the oldest');
    return;
}
sub page_ids { return join ' ', map { $_->{messageId} } @{$_[0]->json->{messages} || []} }

# ---- figures and preferences ----

sub figures {
    my $today = strftime('%Y-%m-%d', gmtime);
    my $before = $s->history_as(undef, "analytics/$today")->json;
    $s->post_message('counted', "k$_", "count $_", sender_id => 'counted "user"') for 1 .. 3;
    my $now = $s->history_as(undef, "analytics/$today");
    is($now->status, 200, 'a day\'s figures') or diag($now->text);
    my %more = map { $_ => $now->json->{$_} - ($before->{$_} // 0) } qw(total_messages ai_responses completed_turns);
    is_deeply(\%more, {total_messages => 3, ai_responses => 3, completed_turns => 3}, 'grow at once');
    is($now->json->{'user_counted "user"_messages'}, 3, 'each user\'s, too');
    ok($now->json->{mean_ai_time_ms} >= 0, 'with the mean time of the AI');
    is_code($s->history_as('user123', "analytics/$today"), '403 forbidden', 'for administrators');
    $s->settle;
    $s->daemon(1)->signal('TERM');
    ok($s->daemon(1)->wait_end(bound(40)), 'a daemon that ends');
    is($s->psql("SELECT count FROM (SELECT metric, value AS count FROM daily_analytics WHERE day = '$today') f WHERE metric = 'total_messages'"), $now->json->{total_messages},
        'has copied them') if $s->{postgres};
    if ($s->{store} eq 'redis') {
        $s->redis('FLUSHDB');
        my $later = $s->history_as(undef, "analytics/$today")->json;
        is_deeply($later, $now->json, 'and the archive says the same');
    }
    my $range = $s->history_as(undef, "analytics?from=$today&to=$today")->json;
    is_deeply([$range->{days}[0]{total_messages}, $range->{total}{total_messages}], [($now->json->{total_messages}) x 2], 'of a range, too');
    $s->start_daemon(1);
    ok(wait_for('the next daemon', 30, sub { -S $s->admin_socket(1) }), 'and the next one begins');
    return;
}

sub preferences {
    my $of = 'chooser/preferences';
    is_deeply($s->history_as('chooser', $of)->json, {}, 'none');
    my $put = $s->history_as('chooser', $of, method => 'PUT', json => {theme => 'tối', size => 12, beta => JSON::PP::true});
    is_deeply($put->json, {theme => 'tối', size => '12', beta => 'true'}, 'put') or diag($put->text);
    is_deeply($s->history_as('chooser', $of)->json, $put->json, 'and read');
    is_deeply({@{$s->redis('HGETALL', 'user_preferences:chooser')}}, {theme => Encode::encode_utf8('tối'), size => 12, beta => 'true'}, 'user_preferences:{userId} has them')
        if $s->{store} eq 'redis';
    is_code($s->history_as('user123', $of), '403 forbidden', 'not by another');
    is_code($s->history_as('chooser', $of, method => 'PUT', json => {a => [], b => undef}), '422 validation_error', 'only what is one value');
    is($s->history_as('chooser', $of, method => 'DELETE')->status, 200, 'deleted');
    is_deeply($s->history_as('chooser', $of)->json, {}, 'and gone');
    return;
}

# ---- without PostgreSQL, without Redis ----

sub database_away {
    $s->post_message('recent', 'r1', 'before', sender_id => 'rita');
    my $before = $s->page('rita', 'recent');
    $s->settle;
    $s->post_message('forgotten', 'f1', 'long ago', sender_id => 'rita');
    $s->settle;
    $s->redis('DEL', "chat_history:rita:forgotten", "session_info:forgotten", "conversation:forgotten", "conversation:forgotten:pending", "conversation:forgotten:context");
    $s->kill_postgres;
    is_same_page('rita', 'recent', $before, 'what is recent is read without PostgreSQL');
    is($s->post_message('recent', 'r2', 'meanwhile', sender_id => 'rita')->json->{result}{status}, 'completed', 'a message meanwhile');
    is(page_ids($s->page('rita', 'recent')), 'r1 r2', 'is there');
    is($s->post_message('new', 'n1', 'a new one', sender_id => 'rita')->json->{result}{status}, 'completed', 'a new session meanwhile');
    is_code($s->page('rita', 'new'), '503 archive_unavailable', 'may have been there before: it is not shown as if it had not');
    my $gone = $s->page('rita', 'forgotten');
    is_code($gone, '503 archive_unavailable', 'what only the archive has is not there: nobody is told that it is all');
    ok($gone->header('Retry-After'), 'with a time');
    my $list = $s->history_as('rita', 'rita/sessions');
    is($list->status, 200, 'the recent sessions are listed');
    $s->start_postgres;
    ok(wait_for('the archive', 60, sub { $s->page('rita', 'forgotten')->status == 200 }), 'and it is there again');
    ok($s->postgres_is_known, 'for each process');
    $s->settle;
    is(page_ids($s->page('rita', 'recent')), 'r1 r2', 'nothing is twice');
    is(page_ids($s->page('rita', 'new')), 'n1', 'and the new one is there');
    return;
}

sub redis_away {
    $s->post_message('kept', 'k1', 'before', sender_id => 'ken');
    my $before = $s->page('ken', 'kept');
    $s->settle;
    $s->{redis}->kill9;
    my $read;
    ok(wait_for('a page without Redis', 40, sub { $read = $s->page('ken', 'kept'); $read->status == 200 }), 'a page is read without Redis') or diag($read->text);
    is_deeply(texts($read), texts($before), 'the same');
    is($read->header('X-Cache'), 'BYPASS', 'and says so');
    is($s->history_as('ken', 'ken/sessions')->json->[0]{sessionId}, 'kept', 'the list, too');
    is_code($s->history_as('ken', 'ken/sessions/session456'), '403 forbidden', 'another\'s is another\'s');
    is_code($s->history_as('ken', 'sessions/nowhere'), '503 store_unavailable', 'what nobody here knows may be his: Redis would say');
    $s->start_redis;
    ok(wait_for('Redis to be used', 60, sub { ($s->page('ken', 'kept')->header('X-Cache') // '') ne 'BYPASS' }), 'Redis is back');
    is_same_page('ken', 'kept', $before, 'the page then');
    return;
}

for (['sqlite', 'lighttpd'], ['sqlite', 'apache'], ['redis', 'lighttpd'], ['redis', 'apache']) {
    my ($store, $web) = @$_;
    subtest "$store behind $web" => sub {
        my $absent = missing($web, 'curl', $store eq 'redis' ? qw(redis postgres) : ());
        plan skip_all => "$absent is not installed" if $absent;
        $s = Stack->start(web => $web, store => $store, env => {JWT_SECRET => $Stack::jwt_secret});
        my @pages;
        subtest 'as the document has it' => \&as_the_document_has_it;
        subtest 'refusals'       => \&refusals;
        subtest 'every entrance' => sub { @pages = every_entrance() };
        subtest 'it stays'       => sub { stays(@pages) };
        subtest 'walking'        => \&walking;
        subtest 'preferences'    => \&preferences;
        subtest 'figures'        => \&figures;
        if ($store eq 'redis' && $web eq 'lighttpd') {
            subtest 'PostgreSQL is away' => \&database_away;
            subtest 'Redis is away'      => \&redis_away;
        }
        $s->end_well(except => ['redis', 'postgres']);
    };
}

done_testing;
