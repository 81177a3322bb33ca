#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# The admin socket of a running daemon, and turnkeeperctl: every command, its errors, bad peers, other users, dead and live sockets, two
# daemons, cleanup as cron runs it, DRAIN and SHUTDOWN.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use IO::Select;
use IO::Socket::UNIX;
use JSON::PP ();
use Socket qw(SOCK_STREAM);
use Test::More;
use Time::HiRes qw(sleep time);
use Stack;

my $json = JSON::PP->new->utf8->allow_nonref;

# turnkeeperctl with these arguments: (exit code, standard output, standard error). `env`: instead of the daemon's.
sub ctl {
    my ($s, @arguments) = @_;
    my $env = ref $arguments[0] eq 'HASH' ? shift @arguments : {PATH => $ENV{PATH}, TURNKEEPER_CONF => '/dev/null', ADMIN_SOCKET => $s->admin_socket(1)};
    my ($out, $err) = map { "$s->{dir}/logs/ctl.$_" } qw(out err);
    my $pid = fork // die "fork: $!";
    if (!$pid) {
        %ENV = %$env;
        open STDIN,  '<', '/dev/null' or POSIX::_exit(126);
        open STDOUT, '>', $out or POSIX::_exit(126);
        open STDERR, '>', $err or POSIX::_exit(126);
        { no warnings 'exec'; exec {"$Stack::build/turnkeeperctl"} 'turnkeeperctl', @arguments }
        POSIX::_exit(127);
    }
    waitpid $pid, 0;
    my $code = $? >> 8;
    my @text = map { open my $fh, '<', $_ or die "$_: $!"; local $/; my $t = <$fh>; $t // '' } $out, $err;
    return ($code, @text);
}

sub ctl_json {
    my ($s, @arguments) = @_;
    my ($code, $out, $err) = ctl($s, @arguments, '--json');
    my $value = eval { $json->decode($out) };
    ok($code == 0 && defined $value, "turnkeeperctl @arguments --json") or diag("exit $code: $out$err");
    return $value;
}

sub open_peer { my ($s, $n) = @_; return IO::Socket::UNIX->new(Type => SOCK_STREAM, Peer => $s->admin_socket($n // 1)) }

# What comes until a last line, or the end.
sub hear {
    my $peer = shift;
    my ($text, $until) = ('', time + bound(20));
    my $select = IO::Select->new($peer);
    while (time < $until && $text !~ /^(?:OK|ERR .*)\n\z/m) {
        next if !$select->can_read(0.2);
        sysread($peer, $text, 65536, length $text) or last;
    }
    return $text;
}

sub ask {
    my ($s, $line, $n) = @_;
    my $peer = open_peer($s, $n) or return "connect: $!";
    syswrite $peer, "$line\n";
    return hear($peer);
}

# ---- every command ----

sub about_the_daemon {
    my $s = shift;
    is_deeply([ctl($s, 'ping')], [0, "PONG\n", ''], 'ping');
    like((ctl($s, 'version'))[1], qr/^turnkeeperd \d/, 'version');
    like((ctl($s, 'help'))[1], qr/^SHUTDOWN/m, 'help');
    like((ctl($s, 'help', 'cleanup'))[1], qr/max_age_hours=24/, 'help of one');
    my $status = ctl_json($s, 'show', 'status');
    is($status->{state}, 'running', 'show status: it runs');
    is($status->{store}, $s->{store} eq 'redis' ? 'Redis' : 'SQLite', 'its store');
    is($status->{pid}, $s->daemon(1)->pid, 'its pid');
    my $config = ctl_json($s, 'show', 'config');
    my %value = map { $_->{setting} => $_ } @$config;
    is($value{ADMIN_ACCESS_TOKEN}{value}, '***', 'show config masks secrets');
    is($value{SQL_DIR}{source}, 'environment', 'and says where a value is from');
    my ($code, $text) = ctl($s, 'show', 'config');
    unlike($text, qr/\Q$s->{admin_token}\E|\Q$s->{platform_token}\E/, 'no token in the text either');
    my $backends = ctl_json($s, 'show', 'backends');
    my %up = map { $_->{backend} => $_ } @$backends;
    is($up{store}{state}, 'up', 'show backends: store');
    is($up{archive}{state}, 'up', 'archive');
    ok(defined $up{ai}{state} && defined $up{platform}{state}, 'AI and platform');
    my $workers = ctl_json($s, 'show', 'workers');
    is(scalar(grep { $_->{program} =~ /^turnkeeper/ } @{$workers->{workers}}), $s->{responders} + $s->{daemons}, 'show workers: all processes');
    ok(wait_for('a heartbeat', 10, sub { ref ctl_json($s, 'show', 'workers')->{heartbeat} }), 'and the heartbeat');
    my $stats = ctl_json($s, 'show', 'stats');
    ok(exists $stats->{queue} && exists $stats->{turns}, 'show stats');
    ok(exists ctl_json($s, 'show', 'queue')->{depth}, 'show queue');
    is_deeply(ctl_json($s, 'show', 'dead')->{dead}, [], 'show dead');
    is_deeply(ctl_json($s, 'reload'), {reloaded => JSON::PP::true}, 'reload');
    is(ctl_json($s, 'log', 'level', 'debug')->{log_level}, 'DEBUG', 'log level');
    ok(ctl_json($s, 'sweep')->{sweeping}, 'sweep');
    ok(exists ctl_json($s, 'archive')->{depth}, 'archive');
    is((ctl($s, 'raw', 'SHOW', 'STATUS'))[0], 0, 'raw');
    return;
}

sub about_a_conversation {
    my $s = shift;
    my $id = q{odd "id" \\ c1};
    is($s->post_message($id, 'm 1', 'hello')->outcome, 'completed', 'a conversation with blanks, quotes and backslashes in its id');
    is(ctl_json($s, 'get', $id)->{conversation_id}, $id, 'get');
    my ($code, $out) = ctl($s, 'explain', $id, 'm 1');
    is($code, 0, 'explain of a message');
    like($out, qr/^m 1: It was answered/m, 'in words');
    my $explained = ctl_json($s, 'explain', $id, 'm 1');
    is($explained->{fate}{message_id}, 'm 1', 'with what it was made of');
    like((ctl($s, 'explain', $id))[1], qr/The bot may answer here\.\nNo turn is running\./, 'explain of the conversation');
    ok(exists ctl_json($s, 'pause', $id)->{check_reply}, 'pause');
    is($s->post_message($id, 'm2', 'hello?')->outcome, 'recorded', 'the bot is silent');
    like((ctl($s, 'explain', $id, 'm2'))[1], qr/bot was silent/, 'explain says why');
    ctl_json($s, 'resume', $id);
    is($s->post_message($id, 'm3', 'and now?')->outcome, 'completed', 'resume');
    is(ctl_json($s, 'cancel', $id)->{cancelled}, JSON::PP::false, 'cancel of an idle one');
    $s->control(conversation_id => 'slow', ai => {delay_ms => 20000});
    my $answer = $s->background($s->message('slow', 'm1'));
    ok(wait_for('the AI call', 20, sub { @{$s->ledger('slow')->{ai}} > 0 }), 'a turn runs');
    my $leases = ctl_json($s, 'show', 'leases')->{leases};
    is_deeply([map { $_->{conversation_id} } @$leases], ['slow'], 'show leases');
    is($leases->[0]{state}, 'held', 'it is held');
    cmp_ok($leases->[0]{left_seconds}, '>', 0, 'for a while yet');
    my $jobs = ctl_json($s, 'show', 'jobs')->{jobs};
    is_deeply([map { "$_->{conversation_id} $_->{status} $_->{messages}" } @$jobs], ['slow processing 1'], 'show jobs');
    like((ctl($s, 'explain', 'slow'))[1], qr/A turn is running/, 'explain says that one runs');
    is(ctl_json($s, 'cancel', 'slow')->{cancelled}, JSON::PP::true, 'cancel');
    is($answer->()->outcome, 'cancelled', 'its client is told');
    is(scalar(() = $s->replies('slow')), 0, 'nothing is sent');
    return;
}

sub refusals {
    my $s = shift;
    my @rows = (
        [[], 64], [['nonsense'], 64], [['show'], 64], [['show', 'nothing'], 64], [['get'], 64], [['ping', 'x'], 64],
        [['cleanup', '--max-age-hours'], 64], [['cleanup', '--max-age-hours', 'x'], 64], [['cleanup', '--max-age-hours', 'nan'], 64], [['cleanup', '--max-age-hours', '-1'], 64], [['cleanup', '--bogus'], 64],
        [['log', 'level', 'loud'], 64], [['raw'], 64], [['raw', "PING\nSHUTDOWN"], 64], [['migrate', 'x'], 64], [['--socket'], 64],
        [['get', 'nobody'], 1], [['explain', 'nobody'], 1], [['explain', 'nobody', 'm'], 1], [['cancel', 'nobody'], 1], [['pause', 'nobody'], 1],
        [['resume', 'nobody'], 1], [['retry', 'nothing'], 1], [['discard', 'nothing'], 1],
        [['get', "a\nSHUTDOWN"], 64], [['get', "a\" \"b\nCANCEL x"], 64],
        [['ping', '--socket', "$s->{dir}/nowhere.sock"], 69], [['ping', '--socket', '/' . 'x' x 200], 78],
    );
    for my $row (@rows) {
        my ($code, $out, $err) = ctl($s, @{$row->[0]});
        (my $name = "@{$row->[0]}") =~ s/\n/\\n/g;
        is($code, $row->[1], "exit code of: $name") or diag("$out$err");
        ok($err ne '' && $out eq '', "it says why: $name");
    }
    is((ctl($s, {PATH => $ENV{PATH}, TURNKEEPER_CONF => '/dev/null', RUN_DIR => "$s->{dir}/nowhere"}, 'ping'))[0], 69, 'RUN_DIR says where');
    is((ctl($s, {PATH => $ENV{PATH}, TURNKEEPER_CONF => '/nonexistent'}, 'ping'))[0], 78, 'a configuration that cannot be read');
    is((ctl($s, {PATH => $ENV{PATH}, TURNKEEPER_CONF => '/dev/null'}, 'migrate'))[0], 78, 'migrate needs the whole configuration');
    is((ctl($s, @$_))[0], 1, "an id that looks like an option: @$_") for ['get', '--', '--json'], ['--', 'get', '--json'], ['--json', '--', 'get', '--limit'];
    is((ctl($s, '--', @$_))[0], 0, "behind --: @$_") for ['ping'], ['raw', 'PING'];
    like((ctl($s, '--', 'nonsense'))[2], qr/no command "nonsense"/, 'a command that there is not is named');
    is((ctl($s, 'ping'))[0], 0, 'it lives');
    return;
}

# ---- bad peers ----

sub bad_peers {
    my $s = shift;
    my $garbage = join '', map { chr int rand 256 } 1 .. 5000;
    my $peer = open_peer($s);
    syswrite $peer, $garbage;
    close $peer;
    $peer = open_peer($s);
    syswrite $peer, "\xff\xfe\n";
    like(hear($peer), qr/^ERR bad_line/, 'garbage is refused');
    syswrite $peer, "PING\n";
    like(hear($peer), qr/PONG\nOK\n\z/, 'and the line behind it is answered');
    $peer = open_peer($s);
    syswrite $peer, 'SHOW ';
    sleep 0.1;
    syswrite $peer, "STATUS --json\n";
    like(hear($peer), qr/^\{.*\}\nOK\n\z/, 'a line in two halves');
    $peer = open_peer($s);
    {
        local $SIG{PIPE} = 'IGNORE';
        my $line = 'x' x (1 << 20);
        my $at = 0;
        while ($at < length $line) { $at += syswrite($peer, $line, 65536, $at) // last }
    }
    like(hear($peer), qr/^ERR line_too_long/, 'a line of 1 MB');
    my @peers = map { open_peer($s) } 1 .. 100;
    is(scalar(grep { defined } @peers), 100, '100 clients at once');
    syswrite $_, "SHOW STATUS --json\n" for @peers;
    is(scalar(grep { hear($_) =~ /\nOK\n\z/ } @peers), 100, 'are all answered');
    like(ask($s, 'PING'), qr/^PONG/, 'the next one too');
    return;
}

sub strangers {
    my $s = shift;
    my $socket = $s->admin_socket(1);
    is((stat $socket)[2] & 0777, 0660, 'mode of the socket');
    plan_skip('not root'), return if $> != 0;
    chmod 0666, $socket;
    pipe my $from, my $to or die "pipe: $!";
    my $pid = fork // die "fork: $!";
    if (!$pid) {
        $) = '65534 65534';
        POSIX::setgid(65534);
        POSIX::setuid(65534);
        my $peer = open_peer($s);
        syswrite $peer, "SHUTDOWN\n" if $peer;
        syswrite $to, $peer ? hear($peer) : "connect: $!";
        POSIX::_exit(0);
    }
    close $to;
    my $text = do { local $/; <$from> };
    waitpid $pid, 0;
    like($text, qr/^ERR denied/, 'another user is refused, whatever the mode of the file');
    chmod 0660, $socket;
    like(ask($s, 'PING'), qr/^PONG/, 'root is not');
    return;
}

sub plan_skip { SKIP: { skip $_[0], 1 } }

# ---- sockets of dead and live daemons ----

sub sockets {
    my $s = shift;
    my $second = Stack::Process->start(name => 'rival', command => ["$Stack::build/turnkeeperd"],
        env => {%{$s->settings}, ADMIN_SOCKET => $s->admin_socket(1)}, log => "$s->{dir}/logs/rival.log", grace => bound(40));
    ok(wait_for('the rival', 20, sub { join('', $second->tail(50)) =~ /another daemon listens/ }), 'a second daemon does not take the socket');
    is($json->decode((split /\n/, ask($s, 'SHOW STATUS --json'))[0])->{pid}, $s->daemon(1)->pid, 'the first one answers there');
    $s->daemon(1)->kill9;
    ok(-S $s->admin_socket(1), 'it is killed; its file stays');
    ok(wait_for('the rival at the socket', 30, sub { ask($s, 'SHOW STATUS --json') =~ /"pid":(\d+)/ && $1 == $second->pid }),
        'then the other one takes it over');
    ok($second->end, 'it ends in peace');
    ok(!-e $s->admin_socket(1), 'and removes the file');
    $s->start_daemon(1);
    ok(wait_for('the daemon', 20, sub { ask($s, 'PING') =~ /^PONG/ }), 'the first one is back');
    return;
}

sub two_daemons {
    my $s = shift;
    $s->start_daemon(2);
    $s->{daemons} = 2;
    ok(wait_for('the second daemon', 20, sub { ask($s, 'PING', 2) =~ /^PONG/ }), 'a second daemon at its own socket');
    my %pid = map { $_ => $json->decode((split /\n/, ask($s, 'SHOW STATUS --json', $_))[0])->{pid} } 1, 2;
    is_deeply(\%pid, {1 => $s->daemon(1)->pid, 2 => $s->daemon(2)->pid}, 'each one answers for itself');
    like(ask($s, 'PAUSE', 2), qr/OK\n\z/, 'one is paused');
    like(ask($s, 'SHOW STATUS --json', 2), qr/"state":"paused"/, 'it says so');
    like(ask($s, 'SHOW STATUS --json', 1), qr/"state":"running"/, 'the other one runs');
    $s->control(conversation_id => 'shared', ai => {delay_ms => 300});
    is($s->post_message('shared', 'm1', 'hi', headers => {Prefer => 'respond-async'})->status, 202, 'work for the daemons');
    ok(wait_for('the reply', 20, sub { $s->replies('shared') }), 'is done');
    like(ask($s, 'SHUTDOWN', 2), qr/OK\n\z/, 'SHUTDOWN');
    ok($s->daemon(2)->wait_end(bound(40)) && $s->daemon(2)->status == 0, 'ends it with status 0');
    $s->{daemons} = 1;
    return;
}

# Items of the queue whose receiver is away: who has them, and what becomes of them.
sub callbacks {
    my $s = shift;
    $s->redis('RPUSH', 'callback_queue', map { $json->encode({type => 'callback', v => 1, conversation_id => 'c', job_id => "j$_", url => "http://127.0.0.1:$s->{nobody}/", body => {}}) } 1 .. 3);
    my $status = sub { $json->decode((split /\n/, ask($s, 'SHOW STATUS --json'))[0]) };
    ok(wait_for('the callbacks', 20, sub { $status->()->{callbacks_here} == 3 }), 'callbacks that this daemon has');
    my $seen = $status->();
    is("$seen->{callbacks} $seen->{callbacks_taken}", '0 3', 'are taken');
    is_deeply(ctl_json($s, 'show', 'queue')->{callbacks}, {depth => 0, taken => 3}, 'show queue has them, too');
    is((ctl($s, 'shutdown'))[0], 0, 'the daemon ends');
    ok($s->daemon(1)->wait_end(bound(40)) && $s->daemon(1)->status == 0, 'in peace');
    is($s->redis('LLEN', 'callback_queue'), 3, 'and gives them back');
    $s->redis('DEL', 'callback_queue');
    $s->start_daemon(1);
    ok(wait_for('the daemon', 20, sub { ask($s, 'PING') =~ /^PONG/ }), 'it is back');
    return;
}

# ---- cleanup ----

# As if nothing had been said there for so many seconds (Redis only).
sub age {
    my ($s, $conversation, $seconds) = @_;
    my $record = $s->redis('HGET', "conversation:$conversation", 'record');
    my $then;
    $record =~ s/("activity":)(\d+)/$then = $2 - $seconds * 1000; $1 . $then/e or die "no activity in $record";
    $s->redis('HSET', "conversation:$conversation", 'record', $record);
    $s->redis('ZADD', 'activity', $then, $conversation);
    return;
}

sub listed { my ($s, $conversation) = @_; return (ctl($s, 'show', 'status'))[0] == 0 && defined $s->redis('ZSCORE', 'activity', $conversation) }

sub cleanup {
    my $s = shift;
    is($s->post_message("idle$_", 'm1', 'hi')->outcome, 'completed', "conversation $_") for 1 .. 4;
    ok(wait_for('the archive', 20, sub { my $q = $json->decode((split /\n/, ask($s, 'SHOW QUEUE --json'))[0]); $q->{depth} + $q->{taken} == 0 }), 'archived');
    # as contrib/cron has it, through sh
    my $line = do { open my $fh, '<', "$Stack::source/contrib/cron/turnkeeper" or die "contrib/cron: $!"; (grep { /^[^#\s].*cleanup/ } <$fh>)[0] };
    my ($command) = ($line // '') =~ /(turnkeeperctl .*)/;
    ok(defined $command, 'the cron line');
    local %ENV = (PATH => "$Stack::build:$ENV{PATH}", TURNKEEPER_CONF => '/dev/null', ADMIN_SOCKET => $s->admin_socket(1));
    is(system('sh', '-c', "$command >/dev/null"), 0, 'runs') or diag($command);
    is(ctl_json($s, 'cleanup', '--max-age-hours', '0.5')->{removed}, 0, 'nothing that is young goes');
    is(ctl_json($s, 'get', 'idle1')->{conversation_id}, 'idle1', 'it is there');
    return if $s->{store} ne 'redis';
    age($s, "idle$_", 7200) for 1 .. 3;
    my $dry = ctl_json($s, 'cleanup', '--max-age-hours', '1', '--dry-run');
    is_deeply([@$dry{qw(removed dry_run)}], [3, JSON::PP::true], 'a dry run counts');
    ok(listed($s, 'idle1'), 'and removes nothing');
    is(ctl_json($s, 'cleanup', '--max-age-hours=1')->{removed}, 3, 'a real one removes what is old');
    ok(!listed($s, 'idle1'), 'it is gone');
    ok(listed($s, 'idle4'), 'the young one stays');
    is($s->post_message('idle1', 'm1', 'hi')->json->{result}{replayed}, JSON::PP::true, 'a duplicate of before is still known');
    age($s, 'idle4', 2 * 86400);
    ok(wait_for('the daemon', 20, sub { !listed($s, 'idle4') }), 'past CONVERSATION_STATE_TTL the daemon does it by itself');
    return;
}

# Keys deleted by hand, or evicted: the listings go on naming the conversation.
sub orphans {
    my $s = shift;
    return if $s->{store} ne 'redis';
    my @busy = qw(due active waiting);
    $s->redis('ZADD', $_, 1000, 'nobody') for @busy;
    $s->redis('ZADD', 'activity', 1000, 'noone');
    like(ask($s, 'SWEEP'), qr/OK\n\z/, 'SWEEP');
    ok(wait_for('the sweep', 20, sub { !listed($s, 'noone') }), 'what is known and has no record is removed');
    ok(wait_for('the sweep', 20, sub { ask($s, 'SWEEP'); !grep { defined $s->redis('ZSCORE', $_, 'nobody') } @busy }), 'so is what is due, running or waiting');
    return;
}

sub drain {
    my $s = shift;
    like(ask($s, 'DRAIN'), qr/OK\n\z/, 'DRAIN');
    like(ask($s, 'SHOW STATUS'), qr/^state +paused/, 'no new work');
    like(ask($s, 'RESUME'), qr/OK\n\z/, 'RESUME');
    return;
}

for my $store (qw(sqlite redis)) {
    subtest $store => sub {
        my $absent = missing('lighttpd', $store eq 'redis' ? qw(redis postgres) : ());
        plan skip_all => "$absent is not installed" if $absent;
        my $nobody = Stack::free_port();
        my $s = Stack->start(store => $store, nobody => $nobody, env => {PROCESSING_LOCK_TTL => 5, CLEANUP_INTERVAL_SECONDS => 1,
            JOB_MAX_ATTEMPTS => 30, CALLBACK_ALLOWLIST => "http://127.0.0.1:$nobody", CALLBACK_SECRET => 'whsec_' . 'A' x 32});
        ok(wait_for('the admin socket', 20, sub { ask($s, 'PING') =~ /^PONG/ }), 'it listens') or return;
        about_the_daemon($s);
        about_a_conversation($s);
        refusals($s);
        bad_peers($s);
        strangers($s);
        two_daemons($s);
        callbacks($s) if $store eq 'redis';
        cleanup($s);
        orphans($s);
        drain($s);
        sockets($s);
        is(ctl_json($s, 'shutdown')->{shutting_down}, JSON::PP::true, 'shutdown through turnkeeperctl');
        ok($s->daemon(1)->wait_end(bound(40)) && $s->daemon(1)->status == 0, 'the daemon ends with status 0');
        is((ctl($s, 'ping'))[0], 69, 'then nobody answers');
        $s->start_daemon(1);
        ok(wait_for('the daemon', 20, sub { ask($s, 'PING') =~ /^PONG/ }), 'a new one starts');
        $s->end_well;
    };
}

done_testing;
