#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# Erasure: words that nobody else says are told through every entrance, with a number and an address; they are in replies, jobs, callbacks, dead letters,
# events, queues that nobody empties, and in a turn that runs. After the erasure, with all queues empty, they are found nowhere: neither in a dump of
# PostgreSQL nor of Redis nor in a file of the installation. What was erased does not come back when it is sent again, and who writes anew is answered.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use File::Find;
use JSON::PP ();
use POSIX ();
use Test::More;
use Time::HiRes qw(sleep time);
use Stack;
use Stack::Events;
use Stack::History;
use Stack::Sessions;

my $WORD  = 'kanarienvogel' . substr(Stack::_random(), 0, 10);
my $PHONE = '09' . join '', map { int rand 10 } 1 .. 8;
my $E164  = '+84' . substr $PHONE, 1;
my $MAIL  = "$WORD\@example.com";
my $TEXT  = "$WORD says: call $PHONE or write to $MAIL";

my $s;

sub erase { my ($user, $session, $as) = @_; return $s->history_as($as, $user . (defined $session ? "/sessions/$session" : ''), method => 'DELETE') }

sub is_erased {
    my ($answer, $name) = @_;
    return is($answer->status . ' ' . ($answer->json->{message} // ''), '200 Chat history deleted successfully', $name) || diag($answer->text);
}

# Once more: it was erased, and that is all that is known of it.
sub is_gone {
    my ($session, $id, $name, %o) = @_;
    my $answer = $s->post_message($session, $id, $TEXT, %o);
    my $r = $answer->json->{result} || {};
    return is_deeply([@$r{qw(status reason message_id replayed)}], ['cancelled', 'erased', $id, JSON::PP::true()], $name) || diag($answer->text);
}

# ---- where it is looked for ----

sub found_in { my ($place, $bytes) = @_; return map { index($bytes, $_) >= 0 ? "$place: $_" : () } $WORD, $E164, $PHONE }

sub in_postgres {
    return if !$s->{postgres};
    my $pg_dump = Stack::Servers::program('pg_dump') // 'pg_dump';
    my $dump = `$pg_dump -h 127.0.0.1 -p $s->{postgres_port} -U postgres turnkeeper`;
    BAIL_OUT('no dump') if $dump !~ /PostgreSQL database dump complete/;
    return found_in('pg_dump', $dump);
}

# The file as it is after a rewriting, and each value.
sub in_redis {
    return if $s->{store} ne 'redis';
    $s->redis('BGREWRITEAOF');
    wait_for('the rewriting', 60, sub { $s->redis('INFO', 'persistence') =~ /aof_rewrite_in_progress:0.*aof_rewrite_scheduled:0/s }) or BAIL_OUT('Redis does not rewrite');
    $s->redis('SAVE');
    my @found;
    for my $key (@{$s->redis('KEYS', '*')}) {
        my $type = $s->redis('TYPE', $key);
        my %read = (string => ['GET', $key], list => ['LRANGE', $key, 0, -1], hash => ['HGETALL', $key], set => ['SMEMBERS', $key],
            zset => ['ZRANGE', $key, 0, -1, 'WITHSCORES']);
        my $value = eval { $s->redis(@{$read{$type}}) } // next; # it has expired
        push @found, found_in("Redis $key", join "\n", $key, ref $value ? @$value : $value);
    }
    return @found;
}

# All that the installation keeps, but what is outside: the double's ledger, and PostgreSQL's own files, whose dump is looked at.
sub in_files {
    my @found;
    find({no_chdir => 1, wanted => sub {
        if (-d $_ && m{/(?:postgres|receiver)\z}) { $File::Find::prune = 1; return }
        return if !-f $_ || /ledger/;
        open my $fh, '<:raw', $_ or return;
        my $bytes = do { local $/; <$fh> } // '';
        push @found, found_in(substr($_, length $s->{dir}), $bytes);
    }}, $s->{dir});
    return @found;
}

sub is_nowhere {
    my ($name) = @_;
    my @found;
    # a state file is wiped, and an expired value removed, a moment after the answer
    wait_for('nothing to be found', 20, sub { @found = (in_postgres(), in_redis(), in_files()); !@found });
    return is_deeply(\@found, [], $name);
}

sub is_somewhere {
    my ($name, $where) = @_;
    my @found = (in_postgres(), in_redis(), in_files());
    return ok(scalar(grep { /$where/ } @found), $name) || diag("found only: @found");
}

# ---- what is told ----

# Everything that there is of a user, and where. Returns his sessions.
sub plant {
    my ($user) = @_;
    my %of = map { $_ => "$user-$_" } qw(a b c s);
    is($s->post_message($of{a}, 'a1', $TEXT, sender_id => $user, metadata => {note => $TEXT})->outcome, 'completed', 'told through A');
    my $job = $s->chat($of{b}, $TEXT, resources => {user_id => $user, callback_url => 'http://127.0.0.1:9/nobody'})->json;
    ok($s->job_completes($job->{ai_job_id}), 'through B, with somebody to tell of it who is not there');
    is($s->say($of{c}, $TEXT, sender_id => $user, message_id => 'c1')->status, 202, 'through C');
    is($s->sync({messageId => 's1', userId => $user, sessionId => $of{s}, userMessage => $TEXT, aiResponse => "yes, $TEXT", metadata => {note => $TEXT}})->status, 200,
        'through sync');
    wait_for('the reply to C', 30, sub { $s->replies($of{c}) == 1 });
    return \%of;
}

sub everything {
    my $user = 'nguoi-dung';
    $s->control(conversation_id => "$user-d", ai => {status => 400, body => "no, $TEXT"});
    my $of = plant($user);
    $s->post_message("$user-d", 'd1', $TEXT, sender_id => $user);
    ok(wait_for('a dead letter', 30, sub { grep { ($_->{conversation_id} // '') eq "$user-d" } @{$s->admin('/api/v1/admin/queue/dead')->json->{dead} || []} }), 'one is given up');
    ok($s->settle, 'all is archived');
    is_somewhere('the words are kept', $s->{postgres} ? 'pg_dump' : 'state');
    my $lines = $s->export($user);
    my %types;
    if (ref $lines) { $types{$_->{type}}++ for @$lines }
    ok(ref $lines && $types{session} == 5 && $types{message} == 5 && $types{customer} == 1, 'an export has all of it') or diag(explain(ref $lines ? \%types : $lines));
    my $other = $s->post_message('bystander', 'm1', 'somebody else', sender_id => 'somebody');
    is($other->outcome, 'completed', 'somebody else is there, too');
    my $listener = $s->listen_to($of->{a}, after => 0);
    ok($s->hears($listener, 'message'), 'who listens has heard');

    is(erase($user, $of->{a}, 'somebody')->status, 403, 'nobody else may');
    my $answer = erase($user, $of->{a}, $user);
    is_erased($answer, 'one session');
    my $receipt = $answer->json->{receipt};
    ok($receipt->{archive}{messages} == 1 && $receipt->{store}{messages} >= 2 && $receipt->{id}, 'with a receipt') or diag(explain($receipt));
    ok($s->hears($listener, 'reset'), 'who listens hears that it is no more');
    my $late = $s->listen_to($of->{a}, after => 0);
    ok($s->hears($late, 'reset'), 'and who comes back');
    is_gone($of->{a}, 'a1', 'its message', sender_id => $user);
    is($s->page($user, $of->{c})->status, 200, 'the other sessions stay');

    $answer = erase($user, undef, $user);
    is_erased($answer, 'all of the user');
    is($answer->json->{receipt}{subject}, 'user', 'as the receipt says');
    is($s->get("/api/v1/customers/$user", $s->admin_headers)->status, 404, 'nothing is known about him');
    is_deeply($s->history_as($user, "$user/sessions")->json, [], 'he has no sessions');
    is_deeply($s->export($user), [], 'nor anything that could be exported');
    is_gone($of->{a}, 'a1', 'what came through A', sender_id => $user);
    is($s->say($of->{c}, $TEXT, sender_id => $user, message_id => 'c1')->json->{duplicate}, JSON::PP::true(), 'through C');
    is($s->sync({messageId => 's1', userId => $user, sessionId => $of->{s}, userMessage => $TEXT})->json->{duplicate}, JSON::PP::true(), 'and through sync is known');
    ok($s->settle, 'the queue is empty');
    is_nowhere('the words are nowhere');
    is($s->page('somebody', 'bystander')->status, 200, 'somebody else is still there');

    is($s->post_message($of->{a}, 'a2', 'hello again', sender_id => $user)->outcome, 'completed', 'who writes anew is answered');
    is(Stack::page_line($s->page($user, $of->{a})) =~ s/=.*//r, 'a2', 'and has a history of that');
    my ($figures) = $s->history_as(undef, 'analytics/' . POSIX::strftime('%Y-%m-%d', gmtime))->json;
    is($figures->{"user_${user}_messages"} // 0, 1, 'and a figure');
    ok($figures->{erased_users_messages} >= 4, 'what he wrote before is counted without his name') or diag(explain($figures));
    return;
}

# ---- while something goes on ----

sub a_running_turn {
    my ($user, $session) = ('laeufer', 'laeufer-1');
    $s->control(conversation_id => $session, ai => {delay_ms => Stack::delay_ms(30)});
    my $waiting = $s->background($s->message($session, 'm1', $TEXT, sender_id => $user));
    ok(wait_for('the AI', 20, sub { @{$s->ledger($session)->{ai}} }), 'the AI is asked');
    my $begin = time;
    is_erased(erase($user, $session, $user), 'it is erased meanwhile');
    my $answer = $waiting->();
    is_deeply([@{$answer->json->{result}}{qw(status reason)}], [qw(cancelled erased)], 'who waits hears it') or diag($answer->text);
    cmp_ok(time - $begin, '<', bound(10), 'at once');
    ok(wait_for('the end of the call', 20, sub { $s->ledger($session)->{ai}[0]{closed_early} }), 'the AI is not waited for');
    $s->control(conversation_id => $session, ai => {delay_ms => 0});
    is_gone($session, 'm1', 'its message', sender_id => $user);
    is($s->post_message($session, 'm2', 'anew', sender_id => $user)->outcome, 'completed', 'a new one is answered');
    is(scalar($s->replies($session)), 1, 'and only that was sent');
    ok($s->settle, 'the queue is empty');
    is_nowhere('the words are nowhere');
    return;
}

sub without_the_archive {
    return if !$s->{postgres};
    my ($user, $session) = ('ausfall', 'ausfall-1');
    is($s->post_message($session, 'm1', $TEXT, sender_id => $user)->outcome, 'completed', 'one is archived');
    ok($s->settle, 'which it is');
    $s->kill_postgres;
    is($s->post_message($session, 'm2', $TEXT, sender_id => $user)->outcome, 'completed', 'PostgreSQL is away, messages are answered');
    my $answer = erase($user, undef, $user);
    is($answer->status . ' ' . $answer->json->{code}, '503 archive_unavailable', 'an erasure is not complete without it') or diag($answer->text);
    is_gone($session, 'm1', 'what was begun stays', sender_id => $user);
    is($s->post_message($session, 'm3', 'anew', sender_id => $user)->outcome, 'completed', 'he writes anew');
    $s->start_postgres;
    is_erased(wait_for('the archive', 30, sub { my $a = erase($user, undef, $user); $a->status == 200 && $a }) // $answer, 'when it is back it is completed');
    ok($s->settle, 'the queue is empty');
    is_nowhere('the words are nowhere');

    # and nobody asks again: the daemon does it
    $s->post_message($session, 'm4', $TEXT, sender_id => $user);
    $s->settle;
    $s->kill_postgres;
    is(erase($user, $session, undef)->status, 503, 'again');
    $s->start_postgres;
    ok($s->settle, 'the daemon empties the queue');
    is_nowhere('and so the words are nowhere');
    ok($s->postgres_is_known, 'each process has it again');
    return;
}

# What one store has taken in place of the other is in the other when that is back, and only then can be erased.
sub while_another_store_stands_in {
    return if $s->{store} ne 'redis';
    my ($user, $session) = ('vertretung', 'vertretung-1');
    is($s->post_message($session, 'm1', $TEXT, sender_id => $user)->outcome, 'completed', 'one in Redis');
    ok($s->settle, 'which is archived');
    $s->{redis}->kill9;
    my $n = 1;
    my $aside = wait_for('the other store', 30, sub { my $r = $s->post_message($session, 'm' . ++$n, $TEXT, sender_id => $user)->json; ($r->{result}{storage_backend} // '') eq 'SQLite' });
    ok($aside, 'another one while Redis is away');
    my $answer = erase($user, undef, $user);
    is($answer->status, 503, 'nothing can be erased then') or diag($answer->text);
    like($answer->json->{code}, qr/^store_/, 'which is said');
    $s->start_redis;
    ok(wait_for('Redis', 60, sub { my $r = $s->post_message($session, 'm' . ++$n, 'hello', sender_id => $user)->json; ($r->{result}{storage_backend} // '') eq 'Redis' }), 'Redis is back');
    is_erased(wait_for('the erasure', 60, sub { my $a = erase($user, undef, $user); $a->status == 200 && $a }) // $answer, 'and he is erased');
    is_gone($session, 'm1', 'a message from before', sender_id => $user);
    ok($s->settle, 'the queue is empty');
    is_nowhere('the words are nowhere');
    return;
}

# One that writes all the time, through three entrances, until it is told to stop. Returns a code that stops it.
sub writer {
    my ($user, @sessions) = @_;
    my $stop = "$s->{dir}/state/stop-writing";
    my $pid = fork // die "fork: $!";
    if (!$pid) {
        for (my $n = 0; !-e $stop && $n < 5000; $n++) {
            my $session = $sessions[$n % @sessions];
            eval {
                $s->post_message($session, "w$n", "$n $TEXT", sender_id => $user) if $n % 3 == 0;
                $s->say($session, "$n $TEXT", sender_id => $user, message_id => "w$n") if $n % 3 == 1;
                $s->sync({messageId => "w$n", userId => $user, sessionId => $session, userMessage => "$n $TEXT", aiResponse => $TEXT}) if $n % 3 == 2;
            };
        }
        POSIX::_exit(0);
    }
    return sub { open my $fh, '>', $stop; close $fh; waitpid $pid, 0; unlink $stop };
}

sub while_he_writes {
    my ($user, @sessions) = ('vielschreiber', map { "viel-$_" } 1 .. 4);
    my $stop = writer($user, @sessions);
    my @wrong;
    for my $round (1 .. 5) {
        wait_for('messages', 30, sub { my $l = $s->history_as($user, "$user/sessions")->json; ref $l eq 'ARRAY' && @$l >= 2 });
        my $answer = erase($user, $round % 2 ? undef : $sessions[$round % @sessions], undef);
        push @wrong, $answer->text if $answer->status != 200 && !($round % 2 == 0 && $answer->status == 404);
    }
    is_deeply(\@wrong, [], 'while he writes he is erased, again and again');
    $stop->();
    is_erased(erase($user, undef, $user), 'and for good when he has stopped');
    my @again = map { $s->post_message($sessions[$_ % 4], "w$_", 'late', sender_id => $user)->json->{result} } map { 3 * $_ } 0 .. 9;
    is(scalar(grep { ($_->{reason} // '') ne 'erased' } @again), 0, 'what he sent comes again, late, and is known') or diag(explain(\@again));
    ok($s->settle, 'the queue is empty');
    is_nowhere('the words are nowhere');
    return;
}

# More than fits anywhere between archive and client, read by one that is slow, and one that goes away.
sub a_large_export {
    my ($user, $n, $long) = ('sammler', 1200, 'x' x 20_000);
    my @exchanges = map { {messageId => "e$_", userId => $user, sessionId => 'sammlung-' . $_ % 3, userMessage => "$_ $long"} } 1 .. $n;
    while (my @some = splice @exchanges, 0, 10) { my $a = $s->sync(\@some); $a->status == 200 or die $a->text }
    my $lines = $s->export($user);
    ok(ref $lines && @$lines >= $n + 3, 'a large export is whole') or diag(ref $lines ? scalar @$lines : $lines);
    my %seen;
    if (ref $lines) { $seen{$_->{messageId}}++ for grep { $_->{type} eq 'message' } @$lines }
    is(scalar(keys %seen), $n, 'each message is in it');
    is(scalar(grep { $_ != 1 } values %seen), 0, 'once');
    my $gone = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $s->{port}) or die $!;
    my $headers = $s->user_headers($user);
    syswrite $gone, "GET /api/chathistory/$user/export HTTP/1.1\r\nHost: x\r\nAuthorization: $headers->{Authorization}\r\n\r\n";
    sysread $gone, my $some, 1000;
    like($some, qr{^HTTP/1\.1 200 .*^Content-Type: application/x-ndjson\r$}ms, 'one begins to read');
    close $gone;
    is($s->get('/health')->status, 200, 'and goes');
    is_erased(erase($user, undef, $user), 'all of that is erased');
    is_deeply($s->export($user), [], 'and nothing is left');
    return;
}

# ---- all of it ----

sub run_on {
    my (%o) = @_;
    $s = Stack->start(%o, env => {JWT_SECRET => $Stack::jwt_secret, JOB_MAX_ATTEMPTS => 1, CALLBACK_ALLOWLIST => 'http://127.0.0.1:9', CALLBACK_SECRET => 'whsec_' . 'QUJD' x 8});
    everything();
    a_running_turn();
    without_the_archive();
    while_another_store_stands_in();
    while_he_writes();
    a_large_export();
    $s->end_well;
    return;
}

for my $store (split / /, $ENV{STORES} // "redis sqlite") {
    subtest "on $store" => sub {
        my $lacks = $store eq 'redis' ? missing(qw(redis postgres lighttpd)) : missing('lighttpd');
        plan skip_all => "no $lacks" if $lacks;
        run_on(store => $store);
    };
}
done_testing();
