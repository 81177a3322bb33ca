# SPDX-License-Identifier: MIT
# A whole turnkeeper on free loopback ports in a directory of its own, for the end-to-end tests: web server, responders, daemons, Redis,
# PostgreSQL, and the double that plays AI and platform. Everything is real; the web servers run the configurations of fcgi-conf/.
# Everything that it starts it ends by process id, also when the test dies.
#
#   my $s = Stack->start(web => 'apache', store => 'redis', responders => 4, env => {PROCESSING_LOCK_TTL => 2});
#   my $answer = $s->post_message('c1', 'm1', 'hello');        # a Stack::Answer
#   wait_for('the reply', 10, sub { $s->replies('c1') == 1 });
#   $s->end_well;                                              # TERM ends every program with status 0, nothing crashed
#
# Environment: TK_BUILD or top_builddir (the build directory), top_srcdir, TK_SLOW (stretches every bound), TK_KEEP (keeps the directory).
package Stack;
use strict;
use warnings;
use Cwd qw(abs_path);
use Exporter qw(import);
use File::Basename qw(dirname);
use File::Path qw(remove_tree);
use File::Temp qw(tempdir);
use IO::Socket::INET;
use IO::Socket::UNIX;
use Test::More;
use Time::HiRes qw(sleep time);
use Stack::Client;
use Stack::Jobs;
use Stack::Process;
use Stack::Servers;

our @EXPORT = qw(wait_for bound missing);

our $source = abs_path($ENV{top_srcdir} // dirname(__FILE__) . '/../..');
our $build  = abs_path($ENV{TK_BUILD} // $ENV{top_builddir} // (-x "$source/turnkeeper.fcgi" ? $source : "$source/build"));

my @stacks;

# How much slower than a quiet machine this one is now; bounds of waits are stretched by it.
sub bound {
    my $seconds = shift;
    my ($begin, $n) = (time, 0);
    $n += $_ % 7 for 1 .. 200_000;
    my $factor = (time - $begin) / 0.02;
    $factor = 1 if $factor < 1;
    return $seconds * $factor * ($ENV{TK_SLOW} || 1);
}

# Waits until the code returns something true, and returns that; undef, with a diagnosis, when `seconds` (stretched) have passed. It asks every 20 ms at first
# and less often the longer it takes: on a machine that is busy with other tests asking is what costs most.
sub wait_for {
    my ($what, $seconds, $code) = @_;
    my ($begin, $bound) = (time);
    while (1) {
        my $value = $code->();
        return $value if $value;
        $bound //= bound($seconds);
        my $waited = time - $begin;
        last if $waited > $bound;
        sleep($waited < 0.2 ? 0.02 : $waited > 2 ? 0.2 : $waited / 10);
    }
    diag("waited in vain for $what");
    return undef;
}

# The first of the named server programs that is not installed, or "": for skip_all.
sub missing {
    for my $name (@_) { return $name if !defined Stack::Servers::program($name) }
    return '';
}

# web: lighttpd (default) or apache. store: sqlite (default) or redis. postgres: true for PostgreSQL (default with redis).
# shared: true for one socket that all responders accept from (else two). responders (2), daemons (1), double (true; false: simulated AI, log platform), password: of Redis; env: more settings;
# descriptors: limit of web server, responders and double (4096); double_options: instead of its ledger file.
sub start {
    my ($class, %o) = @_;
    my $self = bless {
        web => 'lighttpd', store => 'sqlite', responders => 2, daemons => 1, double => 1,
        descriptors => 4096, %o,
    }, $class;
    $self->{postgres} //= $self->{store} eq 'redis';
    $self->{dir} = tempdir('tk-XXXXXX', TMPDIR => 1, CLEANUP => 0);
    chmod 0755, $self->{dir};
    push @stacks, $self;
    mkdir "$self->{dir}/$_" for qw(turnkeeper htdocs upload logs state);
    $self->{platform_token} = 'platform-' . _random();
    $self->{admin_token}    = 'admin-' . _random();
    $self->start_double if $self->{double};
    $self->start_redis if $self->{store} eq 'redis';
    $self->start_postgres if $self->{postgres};
    $self->open_sockets;
    $self->{port} = free_port();
    $self->{web_process} = $self->start_web($self->{port});
    $self->start_responder($_) for 1 .. $self->{responders};
    $self->start_daemon($_) for 1 .. $self->{daemons};
    $self->{client} = Stack::Client->new(port => $self->{port}, timeout => bound(90));
    wait_for('the first /health', 30, sub { $self->get('/health')->status == 200 })
        or BAIL_OUT("$self->{web} and the responders do not come up:\n" . $self->last_words(20));
    $self->{web_process}->alive or BAIL_OUT("$self->{web} has ended:\n" . $self->last_words(20));
    # until the daemon has made its tables, the archive cannot be asked about old messages
    my $files = () = glob "$source/sql/postgres/[0-9]*.sql";
    wait_for('the migrations', 30, sub { my $n = $self->psql_try('SELECT count(*) FROM schema_migrations'); $n && $n->[0] == $files }) or die 'no migrations'
        if $self->{postgres} && $self->{daemons};
    return $self;
}

sub _random { open my $fh, '<', '/dev/urandom' or die $!; read $fh, my $bytes, 12; return unpack 'H*', $bytes }

# A port that nobody has now, below the range that the kernel hands out to clients. An abstract socket with its number keeps other tests, which
# run at the same time, from choosing it before its server listens.
my %given;
sub free_port {
    for (1 .. 1000) {
        my $port = 20000 + int rand 12000;
        next if $given{$port};
        my $claim = IO::Socket::UNIX->new(Local => "\0turnkeeper-test-port-$port", Listen => 1) or next;
        my $socket = IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => $port, Listen => 1) or next;
        close $socket;
        $given{$port} = $claim;
        return $port;
    }
    die 'no free port';
}

# ---- turnkeeper's own programs ----

sub settings {
    my $self = shift;
    my %env = (
        (map { $_ => $ENV{$_} } grep { /^(PATH|LANG|LC_.*|TZ|[ATUL]SAN_OPTIONS|UBSAN_OPTIONS|LD_LIBRARY_PATH|LLVM_PROFILE_FILE)$/ } keys %ENV),
        HOME => $self->{dir},
        PANCAKE_ACCESS_TOKEN => $self->{platform_token},
        ADMIN_ACCESS_TOKEN   => $self->{admin_token},
        STATE_FILE           => "$self->{dir}/state/state.db",
        RUN_DIR              => "$self->{dir}/turnkeeper",
        SQL_DIR              => "$source/sql",
        TURNKEEPER_CONF      => '/dev/null',
        LOG_LEVEL            => 'INFO',
    );
    if ($self->{double}) {
        $env{$_} = "http://127.0.0.1:$self->{double_port}" for qw(AI_SERVICE_URL PANCAKE_BASE_URL);
    }
    else { @env{qw(AI_PROVIDER AI_SIMULATED_DELAY_MS PANCAKE_PROVIDER)} = ('simulated', 50, 'log') }
    @env{qw(REDIS_HOST REDIS_PORT)} = ('127.0.0.1', $self->{redis_port}) if $self->{store} eq 'redis';
    $env{REDIS_PASSWORD} = $self->{password} if defined $self->{password};
    if ($self->{postgres}) {
        @env{qw(POSTGRES_HOST POSTGRES_PORT POSTGRES_DB POSTGRES_USER POSTGRES_PASSWORD)} =
            ('127.0.0.1', $self->{postgres_port}, 'turnkeeper', 'postgres', 'unused');
    }
    my %all = (%env, %{$self->{env} || {}});
    delete $all{$_} for grep { !defined $all{$_} } keys %all; # env => {NAME => undef}: not set at all
    return \%all;
}

# Responder n listens on socket n % 2 + 1: the sockets live as long as the stack, as under systemd.
sub start_responder {
    my ($self, $n) = @_;
    return $self->{"responder$n"} = Stack::Process->start(
        name => "responder $n", command => ["$build/turnkeeper.fcgi"], stdin => $self->{sockets}[($n - 1) % @{$self->{sockets}}],
        env => $self->settings, log => "$self->{dir}/logs/responder-$n.log", limit => $self->{descriptors}, grace => bound(40));
}

sub start_daemon {
    my ($self, $n) = @_;
    my $env = {%{$self->settings}, ADMIN_SOCKET => $self->admin_socket($n)};
    return $self->{"daemon$n"} = Stack::Process->start(
        name => "daemon $n", command => ["$build/turnkeeperd"], env => $env, log => "$self->{dir}/logs/daemon-$n.log", grace => bound(40));
}

sub admin_socket { "$_[0]{dir}/turnkeeper/admin-$_[1].sock" }
sub responder  { $_[0]{"responder$_[1]"} }
sub daemon     { $_[0]{"daemon$_[1]"} }
sub responders { my $s = shift; map { $s->{"responder$_"} } 1 .. $s->{responders} }
sub daemons    { my $s = shift; map { $s->{"daemon$_"} } 1 .. $s->{daemons} }

# ---- talking to it ----

sub platform_headers { {Authorization => "Bearer $_[0]{platform_token}"} }
sub admin_headers    { {Authorization => "Bearer $_[0]{admin_token}"} }

# A request to A's endpoint for Stack::Client. Fields override the seed's body; `headers`, `after` go to the request.
sub message {
    my ($self, $conversation, $id, $text, %o) = @_;
    my %request = (
        path => '/api/v1/enhanced-handle-message',
        headers => {%{$self->platform_headers}, %{delete $o{headers} || {}}},
    );
    $request{after} = delete $o{after} if exists $o{after};
    $request{json} = {
        conversation_id => $conversation, message_id => $id, message_content => $text // "text of $id", sender_id => 'user_123',
        sender_type => 'user', timestamp => time, metadata => {platform => 'web'}, %o,
    };
    return \%request;
}

sub client       { $_[0]{client} }
sub post_message { my $self = shift; return $self->{client}->request(%{$self->message(@_)}) }
sub burst        { my ($self, $requests, %o) = @_; return $self->{client}->requests($requests, %o) }
sub get          { my ($self, $path, $headers) = @_; return $self->{client}->request(path => $path, headers => $headers) }
sub admin        { my ($self, $path) = @_; return $self->{client}->request(path => $path, headers => $self->admin_headers) }
sub admin_post {
    my ($self, $path, $json) = @_;
    return $self->{client}->request(method => 'POST', path => $path, headers => $self->admin_headers, json => $json // {});
}

# Runs a request beside the test. The code reference that it returns waits for the answer.
sub background {
    my ($self, $request) = @_;
    my $pid = open(my $from_child, '-|') // die "fork: $!";
    if (!$pid) {
        my $answer = $self->{client}->request(%$request);
        print Stack::Client->encode({%$answer});
        close STDOUT;
        POSIX::_exit(0);
    }
    return sub {
        my $text = do { local $/; <$from_child> };
        close $from_child;
        return bless Stack::Client->decode($text), 'Stack::Answer';
    };
}

# ---- what the double saw ----

sub _double {
    my ($self, %request) = @_;
    my $answer = Stack::Client->new(port => $self->{double_port}, timeout => bound(30))->request(%request);
    die "double: $request{path}: " . $answer->text if $answer->status != 200;
    return $answer->json;
}

sub control { my ($self, %script) = @_; return $self->_double(path => '/control', json => \%script) }
sub ledger {
    my ($self, $conversation) = @_;
    return $self->_double(path => '/ledger' . (defined $conversation ? "?conversation_id=$conversation" : ''));
}
sub double_stats { $_[0]->_double(path => '/stats') }
# Platform entries that took effect.
sub replies { my ($self, $conversation) = @_; return grep { $_->{applied} } @{$self->ledger($conversation)->{platform}} }
# {message_id => how many replies cover it}, of what the platform applied.
sub covered {
    my ($self, $conversation) = @_;
    my %times;
    for my $reply ($self->replies($conversation)) { $times{$_}++ for @{$reply->{message_ids}} }
    return \%times;
}

# The same for all conversations at once, from the double's file: {conversation => {message_id => times}}. Ids must be plain words.
sub covered_everywhere {
    my $self = shift;
    my %times;
    open my $fh, '<', "$self->{dir}/ledger.jsonl" or die "ledger: $!";
    while (<$fh>) {
        my ($conversation, $ids) = /^\{"event":"platform",.*?"conversation_id":"(\w+)".*?"message_ids":\[([^\]]*)\].*?"applied":true/ or next;
        $times{$conversation}{$_}++ for $ids =~ /"(\w+)"/g;
    }
    return \%times;
}

# ---- the end ----

# TERM ends every program of ours with status 0, none has crashed before, no sanitizer complained. `except`: names that a test has killed.
sub end_well {
    my ($self, %o) = @_;
    my %killed = map { $_ => 1 } @{$o{except} || []};
    for my $p ($self->responders, $self->daemons) {
        next if $killed{$p->name} && !$p->alive;
        my $status = $p->status;
        ok(!defined $status, $p->name . ' still runs') or diag(sprintf 'wait status 0x%x', $status);
        kill 'TERM', $p->pid if !defined $status; # all drain at once
    }
    for my $p ($self->responders, $self->daemons) {
        next if $killed{$p->name} && !$p->alive;
        ok($p->wait_end(bound(40)) && $p->status == 0, $p->name . ' drains and ends with status 0')
            or diag(sprintf 'wait status %s', $p->status // 'none: it still runs');
    }
    my @complaints = $self->complaints;
    is("@complaints", '', 'no sanitizer complained');
    diag($self->last_words(15)) if !Test::More->builder->is_passing;
    $self->finish;
    return;
}

# Lines of sanitizers, in any log.
sub complaints {
    my $self = shift;
    my @found;
    for my $log (glob "$self->{dir}/logs/*.log") {
        open my $fh, '<', $log or next;
        while (<$fh>) { push @found, "$log: $_" if /(?:ERROR|WARNING): \w+Sanitizer|runtime error:|stack smashing detected/ }
    }
    return @found;
}

# Ends what runs. Logs go with the directory when every test has passed.
sub finish {
    my $self = shift;
    return if $self->{finished}++;
    # ours had their chance to drain in end_well; what they stand on goes last
    for my $p (grep { defined } $self->responders, $self->daemons) { $p->kill9 if $p->alive }
    $self->{$_}->end for grep { $self->{$_} } qw(web_process double_process redis postgresql);
    if ($ENV{TK_KEEP}) { diag("kept: $self->{dir}") }
    else               { remove_tree($self->{dir}, {safe => 0}) }
    return;
}

sub last_words {
    my ($self, $lines) = @_;
    my $text = '';
    for my $log (glob "$self->{dir}/logs/*.log") {
        my @tail = Stack::Process::tail({log => $log}, $lines);
        $text .= "==> $log\n@tail" if @tail;
    }
    return $text;
}

END {
    my $status = $?;
    if (($status != 0 || !Test::More->builder->is_passing) && $$ == $Stack::owner) {
        for my $s (grep { !$_->{finished} } @stacks) { diag($s->last_words(12)) }
    }
    if ($$ == $Stack::owner) {
        $_->finish for @stacks;
        Stack::Process->end_all;
    }
    $? = $status;
}
our $owner = $$;
$SIG{$_} = sub { exit 130 } for qw(INT TERM HUP);

1;
