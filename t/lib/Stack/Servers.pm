# SPDX-License-Identifier: MIT
# The part of Stack that starts what turnkeeper stands on: Redis, PostgreSQL, the web servers, the double. Methods of Stack.
package Stack::Servers;
use strict;
use warnings;

# Full path of a server program, undef when it is not installed.
my %elsewhere = (postgres => [glob '/usr/lib/postgresql/*/bin/postgres'], initdb => [glob '/usr/lib/postgresql/*/bin/initdb']);
sub program {
    my $name = shift;
    $name = 'redis-server' if $name eq 'redis';
    $name = 'apache2' if $name eq 'apache';
    for my $path (reverse(@{$elsewhere{$name} || []}), map { "$_/$name" } split(/:/, $ENV{PATH} // ''), '/usr/sbin', '/usr/bin') {
        return $path if -x $path;
    }
    return undef;
}

package Stack;
use Fcntl qw(:flock);
use File::Path qw(remove_tree);
our ($source, $build); # set by Stack.pm

# PostgreSQL and Apache's workers do not run as root.
sub _unprivileged { my $name = shift; return $< == 0 ? $name : undef }

sub _owned_by {
    my ($name, @paths) = @_;
    my (undef, undef, $uid, $gid) = getpwnam $name or die "no account $name";
    chown $uid, $gid, $_ or die "chown $_: $!" for @paths;
    return;
}

# ---- Redis ----

# Again on the same port and directory after it was killed. What is in {redis_options} is added to its command line.
sub start_redis {
    my $self = shift;
    $self->{redis_port} //= free_port();
    mkdir "$self->{dir}/redis";
    my @password = defined $self->{password} ? ('--requirepass', $self->{password}) : ();
    $self->{redis} = Stack::Process->start(
        name => 'redis', log => "$self->{dir}/logs/redis.log",
        command => [Stack::Servers::program('redis'), '--port', $self->{redis_port}, '--bind', '127.0.0.1', '--dir', "$self->{dir}/redis",
            '--appendonly', 'yes', '--save', '', '--maxmemory-policy', 'noeviction', @password,
            @{$self->{redis_options} || []}]);
    wait_for('Redis', 20, sub { eval { $self->redis('PING') eq 'PONG' } }) or die 'Redis does not come up';
    return;
}

# One command; the answer as Perl data. Dies when Redis says -ERR or is not there.
sub redis {
    my ($self, @command) = @_;
    my $socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $self->{redis_port}, Timeout => 5) or die "Redis: $!";
    if (defined $self->{password}) {
        _redis_send($socket, 'AUTH', $self->{password});
        _redis_reply($socket);
    }
    _redis_send($socket, @command);
    return _redis_reply($socket);
}

sub _redis_send {
    my ($socket, @command) = @_;
    print {$socket} '*' . @command . "\r\n", map { '$' . length($_) . "\r\n$_\r\n" } @command;
    return;
}

sub _redis_reply {
    my $socket = shift;
    my $line = <$socket> // die 'Redis: closed';
    my ($kind, $rest) = $line =~ /^(.)(.*)\r\n$/s;
    return $rest if $kind eq '+' || $kind eq ':';
    die "Redis: $rest" if $kind eq '-';
    return undef if $rest < 0;
    return [map { _redis_reply($socket) } 1 .. $rest] if $kind eq '*';
    read $socket, my $value, $rest + 2;
    return substr $value, 0, $rest;
}

# ---- PostgreSQL ----

# A cluster with the database in it, made once for a build and copied by every stack: initdb costs more than many a test.
sub _postgres_template {
    my $self = shift;
    my $template = "$build/t/postgres-template";
    open my $lock, '>', "$template.lock" or die "$template.lock: $!";
    flock $lock, LOCK_EX or die "flock: $!"; # others wait for the one who makes it
    my $initdb = Stack::Servers::program('initdb');
    return $template if -d $template && (stat _)[9] >= (stat $initdb)[9];
    remove_tree($template, "$template.new");
    my $data = "$self->{dir}/postgres";
    _run_postgres_tool($self, 'initdb', $initdb, qw(--no-sync --auth=trust --username=postgres --encoding=UTF8 --locale=C.UTF-8 -D), $data);
    my $single = Stack::Servers::program('postgres');
    _run_postgres_tool($self, 'createdb', 'sh', '-c', 'echo "CREATE DATABASE turnkeeper" | "$0" --single -F -D "$1" postgres', $single, $data);
    system('cp', '-a', $data, "$template.new") == 0 && rename "$template.new", $template or die "$template: $!";
    remove_tree($data, {keep_root => 1});
    utime undef, undef, $template;
    return $template;
}

sub _run_postgres_tool {
    my ($self, $name, @command) = @_;
    my $tool = Stack::Process->start(name => $name, log => "$self->{dir}/logs/$name.log", user => _unprivileged('postgres'), command => \@command);
    $tool->wait_end(bound(60)) && $tool->status == 0 or die "$name:\n" . join '', $tool->tail(20);
    return;
}

sub start_postgres {
    my $self = shift;
    my $user = _unprivileged('postgres');
    my $data = "$self->{dir}/postgres";
    $self->{postgres_port} //= free_port();
    if (!-d $data) {
        mkdir $data;
        _owned_by($user, $data) if defined $user;
        my $template = $self->_postgres_template;
        system('cp', '-a', "$template/.", $data) == 0 or die "cp $template: $?";
    }
    unlink "$data/postmaster.pid"; # of one that was killed
    # fsync matters when the machine loses power, which no test does; synchronous_commit stays on
    $self->{postgresql} = Stack::Process->start(
        name => 'postgres', log => "$self->{dir}/logs/postgres.log", user => $user, stop => 'INT',
        command => [Stack::Servers::program('postgres'), '-D', $data, '-p', $self->{postgres_port},
            '-c', 'listen_addresses=127.0.0.1', '-c', "unix_socket_directories=$data", '-c', 'fsync=off', '-c', 'max_connections=200']);
    wait_for('PostgreSQL', 30, sub { defined $self->psql_try('SELECT 1', 'postgres') }) or die 'PostgreSQL does not come up';
    return;
}

# Waits until each process has it (again): each tries for itself, some seconds apart at last. False: in vain.
sub postgres_is_known {
    my $self = shift;
    return wait_for('PostgreSQL in each process', 30, sub {
        for my $log (glob "$self->{dir}/logs/responder-*.log $self->{dir}/logs/daemon-*.log") {
            open my $fh, '<', $log or die "$log: $!";
            my @said = do { local $/; <$fh> =~ /"message":"PostgreSQL (is connected|cannot be reached)"/g };
            return 0 if !@said || $said[-1] ne 'is connected';
        }
        return 1;
    });
}

# With its children, as a power cut would.
sub kill_postgres {
    my $self = shift;
    my $pid = $self->{postgresql}->pid;
    my @children = map { m{/proc/(\d+)/stat} && _parent($1) == $pid ? $1 : () } glob '/proc/[0-9]*/stat';
    kill 'KILL', $pid, @children;
    $self->{postgresql}->wait_end(10);
    # as long as one of them is there, another server refuses the directory
    wait_for('the end of its children', 20, sub { !grep { kill 0, $_ } @children }) or die 'children of PostgreSQL survive SIGKILL';
    return;
}

sub _parent {
    open my $fh, '<', "/proc/$_[0]/stat" or return 0;
    return (<$fh> // '') =~ /\) \S (\d+)/ ? $1 : 0;
}

# Rows of one statement: lines, columns parted by "|". undef when it failed.
sub psql_try {
    my ($self, $sql, $database) = @_;
    local $ENV{PGOPTIONS} = '';
    my @command = ('psql', '-XqAt', '-v', 'ON_ERROR_STOP=1', '-h', '127.0.0.1', '-p', $self->{postgres_port}, '-U', 'postgres',
        '-d', $database // 'turnkeeper', '-c', $sql);
    my $pid = open my $fh, '-|' // die "fork: $!";
    if (!$pid) {
        open STDERR, '>>', "$self->{dir}/logs/psql.log";
        { no warnings 'exec'; exec { $command[0] } @command }
        POSIX::_exit(127);
    }
    my @rows = <$fh>;
    close $fh or return undef;
    chomp @rows;
    return \@rows;
}

sub psql {
    my ($self, $sql, $database) = @_;
    my $rows = $self->psql_try($sql, $database) // die "psql failed: $sql\n" . join '', Stack::Process::tail({log => "$self->{dir}/logs/psql.log"}, 5);
    return wantarray ? @$rows : $rows->[0];
}

# ---- the double ----

sub start_double {
    my $self = shift;
    $self->{double_port} //= free_port();
    $self->{double_process} = Stack::Process->start(
        name => 'double', log => "$self->{dir}/logs/double.log",
        limit => $self->{descriptors},
        command => ["$build/t/lib/double", '--port', $self->{double_port},
            $self->{double_options} ? @{$self->{double_options}} : ('--ledger', "$self->{dir}/ledger.jsonl")]);
    wait_for('the double', 20, sub { eval { $self->double_stats } }) or die "the double does not come up:\n" . $self->last_words(5);
    $self->{double_ready}->($self) if $self->{double_ready}; # before anything else of ours starts
    return;
}

# ---- web servers ----

# A template of fcgi-conf with its placeholders filled in.
sub _configure {
    my ($self, $name, $to, %values) = @_;
    open my $in, '<', "$source/fcgi-conf/$name.in" or die "fcgi-conf/$name.in: $!";
    my $text = do { local $/; <$in> };
    $text =~ s/\@([a-z_]+)\@/$values{$1} \/\/ die "fcgi-conf\/$name.in: $1"/ge;
    open my $out, '>', $to or die "$to: $!";
    print {$out} $text;
    close $out or die "$to: $!";
    return;
}

# The sockets of the responders, which live as long as the stack, and the web server in front of them.
sub open_sockets {
    my $self = shift;
    my $group = $< == 0 ? (getgrnam 'www-data') // 0 : $(+ 0;
    # a single responder serves both: a socket that nobody accepts from would hold requests for ever
    my $single = $self->{responders} == 1 || $self->{shared};
    symlink 'fcgi-1.sock', "$self->{dir}/turnkeeper/fcgi-2.sock" if $single;
    for my $n ($single ? 1 : (1, 2)) {
        my $path = "$self->{dir}/turnkeeper/fcgi-$n.sock";
        push @{$self->{sockets}}, IO::Socket::UNIX->new(Local => $path, Listen => 4096) || die "$path: $!";
        chmod 0660, $path;
        chown -1, $group, $path if $< == 0;
    }
    _owned_by('www-data', "$self->{dir}/upload") if $< == 0;
    return;
}

# What is in {more} is appended to its configuration. Returns its process; `name` of a second one in front of the same responders, which has a port of its own.
sub start_web {
    my ($self, $port, $name) = @_;
    my $web = $self->{web};
    $name //= $web;
    my %values = (
        address => '127.0.0.1', port => $port, rundir => $self->{dir}, runstatedir => $self->{dir}, descriptors => $self->{descriptors},
        connections => int $self->{descriptors} / 2, pkgdatadir => "$source/share", turnkeeper_conf => "$self->{dir}/$name-turnkeeper.conf", demo_conf => "$self->{dir}/$name-demo.conf", modules => '/usr/lib/apache2/modules',
        user => $< == 0 ? 'www-data' : scalar getpwuid $<, group => $< == 0 ? 'www-data' : scalar getgrgid $(+ 0,
    );
    $self->_configure("$web/$_->[0]", "$self->{dir}/$_->[1]", %values)
        for ['turnkeeper.conf', "$name-turnkeeper.conf"], ['demo.conf', "$name-demo.conf"], ['standalone.conf', "$name.conf"];
    if (defined $self->{more}) {
        open my $out, '>>', "$self->{dir}/$name.conf" or die "$name.conf: $!";
        print {$out} $self->{more};
        close $out or die "$name.conf: $!";
    }
    return Stack::Process->start(
        name => $name, log => "$self->{dir}/logs/$name.log", limit => $self->{descriptors},
        command => $web eq 'apache'
        ? [Stack::Servers::program('apache'), '-DFOREGROUND', '-f', "$self->{dir}/$name.conf"]
        : [Stack::Servers::program('lighttpd'), '-D', '-f', "$self->{dir}/$name.conf"]);
}

1;
