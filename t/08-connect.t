#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# -tt looks and leaves nothing behind: no file, no directory, no other owner, mode or time, whatever the store is. It says which server cannot be
# reached, by which setting and why, and which file or directory this user could not have. No password.
use strict;
use warnings;
use Cwd qw(abs_path);
use File::Find;
use File::Temp qw(tempdir);
use FindBin;
use lib "$FindBin::Bin/lib";
use Stack;
use Test::More;
use Time::HiRes;

my $build = $Stack::build;
-x "$build/turnkeeperd" or plan skip_all => 'no programs are built';
my $dir = tempdir('tk-connect-XXXXXX', TMPDIR => 1, CLEANUP => 1);
chmod 0755, $dir;
my $file = "$dir/turnkeeper.conf";
write_file($file, "PANCAKE_ACCESS_TOKEN=platform-secret-1\nADMIN_ACCESS_TOKEN=admin-secret-1\n");
chmod 0644, $file;
my $nobody = $> == 0 ? (getpwnam 'nobody')[2] : undef; # root may do everything

sub write_file { my ($name, $text) = @_; open my $fh, '>', $name or die "$name: $!"; print $fh $text; close $fh or die $!; return }

# (exit code, what it wrote) of -tt; AS_NOBODY: by a user who may little.
sub connects {
    my ($program, %env) = @_;
    my $as = delete $env{AS_NOBODY} ? $nobody : undef;
    my $pid = open(my $out, '-|') // die "fork: $!";
    if (!$pid) {
        %ENV = (PATH => $ENV{PATH}, (map { $_ => $ENV{$_} } grep { /SAN_OPTIONS|LLVM/ } keys %ENV), TMPDIR => $dir, STATE_FILE => "$dir/state/state.db", RUN_DIR => "$dir/run",
            SQL_DIR => "$Stack::source/sql", AI_PROVIDER => 'simulated', PANCAKE_PROVIDER => 'log', %env);
        open STDERR, '>&', \*STDOUT or die $!;
        open STDIN, '<', '/dev/null' or die $!;
        chdir $dir or die $!;
        if (defined $as) { $) = "$as $as"; ($(, $<, $>) = ($as, $as, $as) }
        exec "$build/$program", '-tt', '-c', $file or die $!;
    }
    my $text = do { local $/; <$out> } // '';
    close $out;
    return ($? >> 8, $text);
}

# Each path with everything about it that a careless look could change.
sub tree {
    my @all;
    find({no_chdir => 1, wanted => sub { my @st = Time::HiRes::lstat($_); push @all, sprintf "%s %o %d:%d %d bytes, %d links, %.6f %.6f", $_, @st[2, 4, 5, 7, 3, 9, 10] }}, $dir);
    return join "\n", sort @all;
}

sub leaves_all {
    my ($name, $code_wanted, $program, %env) = @_;
    my $before = tree();
    my ($code, $said) = connects($program, %env);
    is($code, $code_wanted, "$name: $code_wanted") or diag($said);
    is(tree(), $before, 'everything is as it was');
    unlike($said, qr/hush|secret-1|^\{/m, 'no secret, no line of a log');
    return $said;
}

my $fine = qr/\A\S+: the configuration is fine\n\z/;
my $dead = Stack::free_port(); # nobody else takes it, and nobody listens

# ---- the state file ----

for my $program (qw(turnkeeperd turnkeeper.fcgi)) {
    like(leaves_all("$program, nothing is there yet", 0, $program), $fine, 'what the programs make themselves may be missing');
}
mkdir "$dir/$_" for qw(state run run/alive);
chmod 0700, "$dir/run/alive";
write_file("$dir/$_", '') for qw(state/state.db state/state.db.lock run/metrics run/recent);
like(leaves_all('all of it is there', 0, 'turnkeeperd'), $fine, 'and can be used');

like(leaves_all('no parent', 69, 'turnkeeperd', STATE_FILE => "$dir/none/state/state.db"), qr/^turnkeeperd: STATE_FILE: the directory is missing and cannot be made: \Q$dir\E\/none\/state: No such file/m, 'of the state file');
like(leaves_all('no parent', 69, 'turnkeeperd', RUN_DIR => "$dir/none/run/"), qr/^turnkeeperd: RUN_DIR: the directory is missing and cannot be made: \Q$dir\E\/none\/run\/: No such file/m, 'of the directory');
like(leaves_all('a file', 69, 'turnkeeperd', RUN_DIR => "$dir/run/recent"), qr/^turnkeeperd: RUN_DIR: \S+: Not a directory$/m, 'where a directory is to be');
like(leaves_all('a directory', 69, 'turnkeeperd', STATE_FILE => "$dir/run/alive"), qr/^turnkeeperd: STATE_FILE: \S+: Is a directory$/m, 'where a file is to be');
like(leaves_all('no migrations', 69, 'turnkeeperd', SQL_DIR => $dir), qr/^turnkeeperd: SQL_DIR: \Q$dir\E\/sqlite: No such file/m, 'for the archive');
like(leaves_all('logs', 69, 'turnkeeperd', LOG_FILE => "$dir/none/log", PANCAKE_LOG_FILE => "$dir/run"), qr/^turnkeeperd: LOG_FILE: \S+none\/log: No such file.*^turnkeeperd: PANCAKE_LOG_FILE: \S+: Is a directory$/ms, 'have no place');
like(leaves_all('logs that can be', 0, 'turnkeeperd', LOG_FILE => "$dir/run/log", PANCAKE_LOG_FILE => "$dir/state/log"), $fine, 'are not made');
like(leaves_all('in memory', 0, 'turnkeeperd', STATE_FILE => ':memory:', SQL_DIR => $dir), $fine, 'there is no file to look at');

SKIP: {
    my $able = $> != 0 || (defined $nobody && !system {'setpriv'} 'setpriv', "--reuid=$nobody", "--regid=$nobody", '--clear-groups', 'test', '-x', "$build/turnkeeperd", '-a', '-r', "$Stack::source/sql/sqlite", '-a', '-r', $file);
    skip 'another user cannot run the programs here', 1 if !$able;
    my %as = (AS_NOBODY => 1);
    chmod 0700, "$dir/run"; chmod 0500, "$dir/run" if $> != 0;
    like(leaves_all('a directory of somebody else', 69, 'turnkeeperd', %as), qr/^turnkeeperd: RUN_DIR: \Q$dir\E\/run: Permission denied$/m, 'which cannot be written to');
    chmod 0777, "$dir/run";
    chmod 0500, "$dir/run/alive" if $> != 0;
    like(leaves_all('what root left in it', 69, 'turnkeeperd', %as), qr/^turnkeeperd: RUN_DIR: \Q$dir\E\/run\/alive: Permission denied$/m, 'is in the way');
    chmod 0400, "$dir/run/metrics";
    chmod 0777, "$dir/run/alive", "$dir/state";
    chmod 0600, "$dir/state/state.db";
    chmod 0666, "$dir/state/state.db" if $> != 0;
    chmod 0400, "$dir/state/state.db.lock";
    my $said = leaves_all('files that root left', 69, 'turnkeeperd', %as);
    like($said, qr/^turnkeeperd: STATE_FILE: \Q$dir\E\/state\/state\.db: Permission denied$/m, 'the file itself') if $> == 0;
    like($said, qr/^turnkeeperd: STATE_FILE: \Q$dir\E\/state\/state\.db\.lock: Permission denied$/m, 'and its lock');
    like($said, qr/^turnkeeperd: warning: RUN_DIR: \Q$dir\E\/run\/metrics: Permission denied$/m, 'what they can do without is a warning');
    mkdir "$dir/closed"; chmod 0500, "$dir/closed";
    like(leaves_all('a place of somebody else', 69, 'turnkeeperd', %as, STATE_FILE => "$dir/closed/state/state.db", RUN_DIR => "$dir/closed/run"), qr/closed\/run: Permission denied.*closed\/state: Permission denied/s, 'nothing can be made there');
    chmod 0777, "$dir/closed";
    like(leaves_all('where it can be made', 0, 'turnkeeperd', %as, STATE_FILE => "$dir/closed/state/state.db", RUN_DIR => "$dir/closed/run"), $fine, 'it is not');
}

# ---- servers that are not there ----

my $said = leaves_all('nobody is there', 69, 'turnkeeperd', REDIS_HOST => '127.0.0.1', REDIS_PORT => $dead, REDIS_PASSWORD => 'hush-r', POSTGRES_HOST => '127.0.0.1', POSTGRES_PORT => $dead,
    POSTGRES_PASSWORD => 'hush-p');
like($said, qr/^turnkeeperd: Redis \(REDIS_HOST, REDIS_PORT\) cannot be reached at 127\.0\.0\.1:$dead: Connection refused$/m, 'Redis by name and port');
like($said, qr/^turnkeeperd: PostgreSQL \(POSTGRES_HOST, POSTGRES_PORT\) cannot be reached at 127\.0\.0\.1:$dead: .*refused/m, 'PostgreSQL, too');
$said = leaves_all('nobody is there, by URL', 69, 'turnkeeper.fcgi', REDIS_URL => "unix:$dir/none.sock", DATABASE_URL => "postgresql://u:hush-p\@127.0.0.1:$dead/x");
like($said, qr/^turnkeeper\.fcgi: Redis \(REDIS_URL\) cannot be reached at \Q$dir\E\/none\.sock: No such file or directory$/m, "Redis' socket");
like($said, qr/^turnkeeper\.fcgi: PostgreSQL \(DATABASE_URL\) cannot be reached: .*127\.0\.0\.1.*\b$dead\b.*refused/m, "PostgreSQL's URL");
for my $url ("postgresql://u:hush/7\@127.0.0.1/x", "postgresql://u:1\@hush\@127.0.0.1/x", "postgresql://u:%hush\@127.0.0.1/x", "host=127.0.0.1 password=1 hush") {
    like(leaves_all('libpq would cite the password', 69, 'turnkeeperd', DATABASE_URL => $url), qr/^turnkeeperd: PostgreSQL \(DATABASE_URL\) cannot be reached: libpq cannot read this; /m, 'which is not passed on');
}

# ---- servers that are there ----

SKIP: {
    my $lacks = Stack::missing(qw(redis postgres initdb));
    skip "$lacks is not installed", 1 if $lacks ne '';
    my $s = bless {dir => tempdir('tk-XXXXXX', TMPDIR => 1, CLEANUP => 1), responders => 0, daemons => 0, password => 'hush-redis'}, 'Stack';
    chmod 0755, $s->{dir};
    mkdir "$s->{dir}/logs";
    $s->start_redis;
    $s->start_postgres;
    my %redis = (REDIS_HOST => '127.0.0.1', REDIS_PORT => $s->{redis_port});
    my %postgres = (POSTGRES_HOST => '127.0.0.1', POSTGRES_PORT => $s->{postgres_port}, POSTGRES_DB => 'turnkeeper', POSTGRES_USER => 'postgres');
    system('rm', '-rf', "$dir/state", "$dir/run");
    for my $program (qw(turnkeeperd turnkeeper.fcgi)) {
        like(leaves_all("$program, Redis and PostgreSQL", 0, $program, %redis, %postgres, REDIS_PASSWORD => 'hush-redis'), $fine, 'both are there');
    }
    is_deeply($s->redis('KEYS', '*'), [], 'nothing is left in Redis');
    is($s->psql_try("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'")->[0], 0, 'nor in PostgreSQL');
    like(leaves_all('Redis alone', 0, 'turnkeeperd', %redis, REDIS_PASSWORD => 'hush-redis'), $fine, 'with the archive in the state file');
    like(leaves_all('another password', 69, 'turnkeeperd', %redis, REDIS_PASSWORD => 'hush-other'), qr/^turnkeeperd: Redis \(REDIS_HOST, REDIS_PORT\) cannot be reached at 127\.0\.0\.1:$s->{redis_port}: refused: WRONGPASS/m, 'is refused');
    like(leaves_all('another database', 69, 'turnkeeperd', %postgres, POSTGRES_DB => 'absent', POSTGRES_PASSWORD => 'hush-p'), qr/^turnkeeperd: PostgreSQL \(POSTGRES_HOST, POSTGRES_PORT\) cannot be reached at 127\.0\.0\.1:$s->{postgres_port}: .*"absent" does not exist/m, 'is not there');
    mkdir "$dir/run";
    mkdir "$dir/run/store.mode";
    my %both = (%redis, %postgres, REDIS_PASSWORD => 'hush-redis');
    like(leaves_all('the mode of the store', 69, 'turnkeeperd', %both), qr/^turnkeeperd: RUN_DIR: \S+\/store\.mode: Is a directory$/m, 'is no file');
    like(leaves_all('without a fallback', 0, 'turnkeeperd', %both, STORE_FALLBACK => 'reject'), $fine, 'there is none');
    mkdir "$dir/state.db";
    like(leaves_all('a fallback', 69, 'turnkeeperd', %both, RUN_DIR => "$dir/new", STATE_FILE => "$dir/state.db"), qr/^turnkeeperd: STATE_FILE: \S+: Is a directory$/m, 'is in the state file');
    like(leaves_all('none', 0, 'turnkeeperd', %both, RUN_DIR => "$dir/new", STATE_FILE => "$dir/state.db", STORE_FALLBACK => 'reject'), $fine, 'needs none');
    $s->finish;

    my $old = bless {dir => tempdir('tk-XXXXXX', TMPDIR => 1, CLEANUP => 1), responders => 0, daemons => 0, redis_options => ['--rename-command', 'AUTH', 'X']}, 'Stack';
    mkdir "$old->{dir}/logs";
    $old->start_redis;
    like(leaves_all('a server that cites the password', 69, 'turnkeeperd', REDIS_URL => "redis://:hush\@127.0.0.1:$old->{redis_port}/", RUN_DIR => "$dir/new", STATE_FILE => "$dir/new.db"),
        qr/^turnkeeperd: Redis \(REDIS_URL\) cannot be reached at 127\.0\.0\.1:$old->{redis_port}: refused: ERR unknown command 'AUTH'$/m, 'is cut short');
    $old->finish;
}
done_testing;
