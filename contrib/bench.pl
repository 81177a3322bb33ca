# SPDX-License-Identifier: MIT
# The measurements of contrib/bench. Load comes from t/lib/load, AI and platform from t/lib/double, CPU times and memory from /proc.
use strict;
use warnings;
use File::Temp ();
use Getopt::Long;
use JSON::PP ();
use POSIX ();
use Stack;
use Test::More (); # Stack speaks through it when something goes wrong
use Time::HiRes qw(sleep time);

GetOptions('seconds=i' => \(my $seconds = 10), 'waiting=i' => \my $waiting, 'jobs=i' => \(my $jobs = 5000), 'history=i' => \(my $exchanges = 10_000_000),
    'only=s' => \(my $only = 'messages,jobs,waiting,sessions'))
    or exit 64;
my %wanted = map { $_ => 1 } split /,/, $only;
$| = 1;
my $ticks = POSIX::sysconf(POSIX::_SC_CLK_TCK());

# ---- /proc ----

# Seconds of CPU (user + system) that a process has used, and those of its children, living and waited for.
sub cpu {
    my $pid = shift;
    my $sum = 0;
    for my $p ($pid, children($pid)) {
        open my $fh, '<', "/proc/$p/stat" or next;
        my @f = split ' ', (<$fh> =~ s/^.*\) //sr);
        $sum += $f[11] + $f[12] + ($p == $pid ? $f[13] + $f[14] : 0);
    }
    return $sum / $ticks;
}
sub children { my $pid = shift; return grep { Stack::_parent($_) == $pid } map { m{(\d+)} } glob '/proc/[0-9]*' }

sub resident_kib {
    open my $fh, '<', "/proc/$_[0]/status" or return 0;
    for (<$fh>) { return $1 if /^VmRSS:\s+(\d+)/ }
    return 0;
}

sub machine {
    my ($model) = map { /model name\s*:\s*(.*)/ ? $1 : () } split /\n/, slurp('/proc/cpuinfo');
    my $cores = () = slurp('/proc/cpuinfo') =~ /^processor/mg;
    my ($memory) = slurp('/proc/meminfo') =~ /^MemTotal:\s+(\d+)/m;
    my ($debian) = slurp('/etc/os-release') =~ /^PRETTY_NAME="(.*)"/m;
    return sprintf "%s, %d cores, %.0f GiB, Linux %s, %s", $model // 'unknown processor', $cores, $memory / 1048576, (POSIX::uname())[2], $debian // '';
}
sub slurp { open my $fh, '<', $_[0] or return ''; local $/; return scalar <$fh> }

# ---- one load ----

sub load { my ($s, @options) = @_; return load_end($s, load_begin($s, @options)) }

# A load beside others; load_end waits for it.
sub load_begin {
    my ($s, @options) = @_;
    open my $fh, '-|', "$Stack::build/t/lib/load", '--port', $s->{port}, '--token', $s->{platform_token}, @options or die "load: $!";
    return $fh;
}
sub load_end {
    my ($s, $fh) = @_;
    my $text = do { local $/; <$fh> };
    my $r = eval { JSON::PP::decode_json($text) } or die "load said: $text";
    die "load: $r->{refused} refused, $r->{cut} cut\n" . $s->last_words(5) if $r->{refused} || $r->{cut};
    return $r;
}

my %parts = (
    'responders' => sub { map { $_->pid } $_[0]->responders },
    'daemon'     => sub { map { $_->pid } $_[0]->daemons },
    'lighttpd'   => sub { $_[0]{web_process}->pid },
    'Redis'      => sub { $_[0]{redis} ? $_[0]{redis}->pid : () },
    'PostgreSQL' => sub { $_[0]{postgresql} ? $_[0]{postgresql}->pid : () },
    'double'     => sub { $_[0]{double_process}->pid },
);
sub cpu_of_parts { my $s = shift; return {map { my $part = $_; my $sum = 0; $sum += cpu($_) for $parts{$part}->($s); $part => $sum } keys %parts} }

my @table;
sub row { my ($figure, $value, $bar) = @_; push @table, [$figure, $value, $bar // '']; printf "  %-78s %s\n", $figure, $value; return }

sub throughput {
    my $s = shift;
    print "Throughput, $seconds s each:\n";
    load($s, '--seconds', 2, '--prefix', 'warm');
    my $health = load($s, '--seconds', $seconds, '--get', '/health');
    row('GET /health per second through lighttpd', sprintf '%.0f', $health->{per_second});
    my $before = cpu_of_parts($s);
    my $messages = load($s, '--seconds', $seconds);
    my $drained = time;
    wait_for('the archive to drain', 300, sub { $s->redis('LLEN', 'message_queue') == 0 && !@{$s->redis('KEYS', 'message_queue:taken:*')} });
    $drained = time - $drained;
    my $after = cpu_of_parts($s);
    die "only $messages->{completed} of $messages->{answered} completed" if $messages->{completed} < 0.99 * $messages->{answered};
    row('messages per second through A (64 connections, 1,000 conversations)', sprintf '%.0f', $messages->{per_second});
    row('  as a share of /health', sprintf('%.0f %%', 100 * $messages->{per_second} / $health->{per_second}), '>= 25 %, aim 35 %');
    row('  latency at that load, p50 / p99', sprintf '%.1f / %.1f ms', $messages->{p50_us} / 1000, $messages->{p99_us} / 1000);
    my %each = map { $_ => 1e6 * ($after->{$_} - $before->{$_}) / $messages->{answered} } keys %parts;
    row('CPU per message, responders + daemon', sprintf('%.0f us', $each{responders} + $each{daemon}), '<= 200 us, aim 150 us');
    row("  $_", sprintf '%.0f us', $each{$_}) for 'responders', 'daemon', 'lighttpd', 'Redis', 'PostgreSQL', 'double';
    row('archive drained after the load had ended', sprintf '%.1f s', $drained);
    return $messages->{per_second};
}

# Own share: a message's latency less what AI and platform took. Those are two requests to the double, measured on their own, one after
# another, at the same time.
sub latency {
    my ($s, $rate) = @_;
    printf "Latency at half of that load (%.0f per second):\n", $rate;
    my $r = load($s, '--seconds', $seconds, '--rate', int $rate, '--prefix', 'half');
    row('latency of a message, web server included, p50 / p99', sprintf '%.2f / %.2f ms', $r->{p50_us} / 1000, $r->{p99_us} / 1000);
    my $outside_us = 2 * double_us($s, $rate);
    row('  of that two requests to AI and platform', sprintf '%.2f ms', $outside_us / 1000);
    row('own share of the latency, p50 / p99', sprintf('%.2f / %.2f ms', map { ($_ - $outside_us) / 1000 } $r->{p50_us}, $r->{p99_us}), '<= 1 / <= 5 ms');
    return;
}

# p50 of a request to the double while it is as busy as during the load.
sub double_us {
    my ($s, $rate) = @_;
    my $r = load(bless({%$s, port => $s->{double_port}}, 'Stack'), '--get', '/health', '--rate', int(2 * $rate), '--seconds', 3);
    return $r->{p50_us};
}

# One responder, as many waiting turns as its descriptors carry. Two web servers in front of it: one of them would need as many itself.
sub waiting {
    my $limit = POSIX::sysconf(POSIX::_SC_OPEN_MAX());
    my $n = $waiting // ($limit >= 20_000 ? 9000 : POSIX::floor(($limit - 2000) / 2));
    print "Waiting turns, one responder, $limit descriptors:\n";
    my $s = Stack->start(store => 'redis', responders => 1, descriptors => $limit, double_options => ['--quiet'],
        env => {LOG_LEVEL => 'WARNING', AI_SERVICE_TIMEOUT => 120, SYNC_WAIT_MS => 120_000});
    my $port = Stack::free_port();
    my $second = $s->start_web($port, 'lighttpd-2');
    load($s, '--seconds', 2, '--prefix', 'warm');
    my $before = resident_kib($s->responder(1)->pid);
    $s->control(ai => {delay_ms => 40_000});
    my @children;
    for my $p ($s->{port}, $port) {
        my $pid = fork // die "fork: $!";
        if (!$pid) {
            my $half = int $n / 2;
            my $r = eval { load(bless({%$s, port => $p}, 'Stack'), '--once', '--connections', $half, '--conversations', $half, '--prefix', "wait$p",
                '--rate', 500, '--seconds', 100) };
            print $@ if !$r;
            POSIX::_exit($r && $r->{completed} == $half ? 0 : 1);
        }
        push @children, $pid;
    }
    my ($most, $resident, $fine) = (0, 0, 1);
    while (@children) {
        my $now = $s->double_stats->{ai_running};
        if ($now > $most) { $most = $now; $resident = resident_kib($s->responder(1)->pid) }
        sleep 0.2;
        @children = grep { my $gone = waitpid $_, POSIX::WNOHANG(); $fine &&= $? == 0 if $gone; !$gone } @children;
    }
    row('turns waiting at once in one responder', $most . ($fine ? ', every one completed' : ', NOT all completed'), 'what the limit carries, no error');
    row('resident memory of the responder before / with them', sprintf '%.1f / %.1f MiB', $before / 1024, $resident / 1024);
    row('  per waiting turn', sprintf('%.1f KiB', $most ? ($resident - $before) / $most : 0), '<= 48 KiB');
    print $s->last_words(5) if !$fine;
    $second->end;
    $s->finish;
    return;
}

# ---- jobs ----

sub median { my @n = sort { $a <=> $b } @_; return $n[@n / 2] }
sub part   { my ($share, @n) = @_; @n = sort { $a <=> $b } @n; return $n[int $share * $#n] }
sub ms     { return join(' / ', map { sprintf '%.2f', $_ } @_) . ' ms' }

# Jobs that no daemon has begun.
sub waiting_jobs { my $s = shift; return $s->redis('ZCOUNT', 'due', '-inf', int(1000 * time)) }
sub all_ended    { my $s = shift; return $s->redis('ZCARD', 'waiting') == 0 }

sub daemon_does {
    my ($s, $command) = @_;
    local %ENV = (PATH => $ENV{PATH}, TURNKEEPER_CONF => '/dev/null', ADMIN_SOCKET => $s->admin_socket(1));
    my $said = qx{"$Stack::build/turnkeeperctl" $command 2>&1};
    die "turnkeeperctl $command: $said" if $? != 0;
    return;
}

# From the moment when a request leaves until Redis carries out the daemon's SET of the lease, as MONITOR reports it by the same clock.
sub lease_times {
    my ($s, $prefix, $n) = @_;
    my $monitor = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $s->{redis_port}) or die "Redis: $!";
    print {$monitor} "MONITOR\r\n";
    <$monitor> =~ /\A\+OK/ or die 'MONITOR';
    my (@lease, @answer);
    for my $i (1 .. $n) {
        my $begin = time;
        my $answer = $s->client->request(path => '/api/v1/chat/message', headers => $s->platform_headers,
            json => {conversation_id => "$prefix-$i", history => '<USER>How long does it take?</USER>', resources => {user_id => "user_$i"}});
        push @answer, 1000 * (time - $begin);
        die 'a job was not begun: ' . $answer->text if ($answer->json->{status} // '') ne 'ai_processing_started';
        while (my $line = <$monitor>) {
            my ($at) = $line =~ /\A\+([\d.]+) \[\d+ lua\] "SET" "lock:$prefix-$i"/ or next;
            push @lease, 1000 * ($at - $begin);
            last;
        }
        sleep 0.01;
    }
    die 'leases are missing' if @lease != $n;
    return (\@lease, \@answer);
}

sub idle_daemon {
    my $s = shift;
    print "Jobs, an idle daemon, one after another:\n";
    lease_times($s, 'warm-lease', 20);
    my ($lease, $answer) = lease_times($s, 'lease', 300);
    row('a job created: the whole answer of POST /api/v1/chat/message, p50 / p99', ms(part(0.5, @$answer), part(0.99, @$answer)), 'seed: job creation < 50 ms');
    row('from that POST to the daemon\'s lease in Redis, p50 / p99', ms(part(0.5, @$lease), part(0.99, @$lease)), 'seed: lock < 10 ms');
    return;
}

# All wait before the daemon begins.
sub drain {
    my $s = shift;
    my $n = 2 * $jobs;
    print "Jobs, $n of them with an instant AI:\n";
    daemon_does($s, 'PAUSE');
    load($s, '--chat', '--count', $n, '--seconds', 300, '--conversations', 10_000_000, '--prefix', 'drain');
    wait_for('the archive to drain', 300, sub { $s->redis('LLEN', 'message_queue') == 0 });
    my ($before, $begin) = (cpu_of_parts($s), time);
    daemon_does($s, 'RESUME');
    wait_for('the jobs', 600, sub { all_ended($s) }) or die "jobs are left\n" . $s->last_words(5);
    my $took = time - $begin;
    my $after = cpu_of_parts($s);
    row('jobs per second that the daemon ends, instant AI', sprintf '%.0f', $n / $took);
    row('  CPU per job, daemon / Redis / PostgreSQL', sprintf '%.0f / %.0f / %.0f us', map { 1e6 * ($after->{$_} - $before->{$_}) / $n } 'daemon', 'Redis', 'PostgreSQL');
    return;
}

# So many jobs wait and a thousand calls of 2 s run, whatever was before.
sub refill {
    my ($s, $name) = @_;
    my $sent = 0;
    $s->control(ai => {delay_ms => 0});
    wait_for('fewer jobs', 300, sub { waiting_jobs($s) < $jobs + 2000 }) or die 'the backlog does not shrink';
    $s->control(ai => {delay_ms => 2000});
    my $missing = $jobs + 1000 - waiting_jobs($s);
    $sent = load($s, '--chat', '--count', $missing, '--seconds', 300, '--conversations', 10_000_000, '--prefix', $name)->{answered} if $missing > 0;
    wait_for('1,000 calls', 30, sub { $s->double_stats->{ai_running} >= 1000 }) or die 'the daemon does not ask the AI a thousand times at once';
    return $sent;
}

# Each POST begins a job in a conversation of its own; more of them come than the daemon can end.
sub crowded {
    my ($s, $resident) = @_;
    print "Jobs, $jobs and more waiting for an AI of 2 s:\n";
    my @fresh = ('--chat', '--conversations', 10_000_000);
    my $daemon = $s->daemon(1)->pid;
    my $sent = refill($s, 'fill');
    row('resident memory of the daemon before / with 1,000 calls to the AI', sprintf '%.1f / %.1f MiB', map { $_ / 1024 } $resident, resident_kib($daemon));
    my $full = load($s, @fresh, '--seconds', $seconds, '--prefix', 'full');
    my $rate = $full->{completed} / $full->{seconds};
    row("POST /api/v1/chat/message per second while $jobs jobs of 2 s wait (64 connections)", sprintf '%.0f', $rate);
    row('  latency at that load, p50 / p99', ms(map { $full->{$_} / 1000 } 'p50_us', 'p99_us'));
    $sent += $full->{answered};
    my (%runs, @waiting);
    for my $run (1 .. 3) {
        $sent += refill($s, "refill$run");
        push @waiting, waiting_jobs($s);
        my $health = load_begin($s, '--get', '/health', '--connections', 4, '--rate', 100, '--seconds', $seconds / 2);
        my $r = load($s, @fresh, '--rate', int $rate / 2, '--seconds', $seconds / 2, '--prefix', "half$run");
        my $h = load_end($s, $health);
        push @{$runs{$_}}, $r->{$_} / 1000 for 'p50_us', 'p99_us';
        push @{$runs{"health $_"}}, $h->{$_} / 1000 for 'p50_us', 'p99_us';
        $sent += $r->{answered};
        push @waiting, waiting_jobs($s);
    }
    my ($least) = sort { $a <=> $b } @waiting;
    row(sprintf('latency of that POST at half of that load (%.0f per second), web server included, p50 / p99', $rate / 2),
        ms(map { median(@{$runs{$_}}) } 'p50_us', 'p99_us'), '<= 5 ms p99');
    row('  p99 of each of three runs', ms(@{$runs{p99_us}}));
    row('  GET /health beside it, which asks nobody: p50 / p99', ms(map { median(@{$runs{"health $_"}}) } 'p50_us', 'p99_us'));
    row('  jobs that waited, the fewest and the most at the ends of those runs', join ' / ', map { (sort { $a <=> $b } @waiting)[$_] } 0, -1);
    die "only $least jobs waited" if $least < $jobs;
    $s->control(ai => {delay_ms => 0});
    wait_for('all jobs', 600, sub { all_ended($s) }) or die "jobs are left\n" . $s->last_words(5);
    return $sent;
}

sub jobs {
    my $s = Stack->start(store => 'redis', responders => 2, double_options => ['--quiet'], env => {LOG_LEVEL => 'WARNING'});
    load($s, '--chat', '--seconds', 2, '--rate', 200, '--conversations', 10_000_000, '--prefix', 'warm');
    wait_for('the warm-up\'s jobs', 300, sub { all_ended($s) });
    my $resident = resident_kib($s->daemon(1)->pid);
    idle_daemon($s);
    drain($s);
    my $before = $s->double_stats->{platform_applied};
    my $sent = crowded($s, $resident);
    my $replies = $s->double_stats->{platform_applied} - $before;
    die "$replies replies for $sent jobs" if $replies != $sent;
    $s->finish;
    return;
}

# ---- sessions ----

# The load of a message is not only its acceptance: half load is half of what the machine also answers and archives in the end.
# Own time: from the moment when a responder has a request's head until its answer is made, what Redis takes included, as its debug log says. So that
# saturation is not that of the log, the level is a setting in a file, and raised for the runs at half load only.
my $settings;

sub log_level {
    my ($s, $level) = @_;
    truncate $settings, 0;
    seek $settings, 0, 0;
    print {$settings} "LOG_LEVEL=$level\n";
    $settings->flush;
    return if !$s;
    my @marks = log_marks($s);
    $_->signal('HUP') for $s->responders;
    wait_for('the reload', 10, sub { @{[log_since($s, '"configuration reloaded', @marks)]} == @marks }) or die 'the responders do not reload';
    return;
}
sub log_marks { return map { -s $_->{log} } $_[0]->responders }
sub log_since {
    my ($s, $what, @marks) = @_;
    my @lines;
    for my $p ($s->responders) {
        open my $fh, '<', $p->{log} or die "$p->{log}: $!";
        seek $fh, shift @marks, 0;
        push @lines, grep { /$what/ } <$fh>;
    }
    return @lines;
}

sub archived { my $s = shift; return $s->redis('LLEN', 'message_queue') == 0 && !@{$s->redis('KEYS', 'message_queue:taken:*')} }
sub settle {
    my $s = shift;
    wait_for('the turns', 300, sub { all_ended($s) }) or die "turns are left\n" . $s->last_words(5);
    wait_for('the archive to drain', 300, sub { archived($s) }) or die "the archive does not drain\n" . $s->last_words(5);
    return;
}

# All of PostgreSQL's processes. The first one first: it makes no others then.
sub postgres_signal {
    my ($s, $signal) = @_;
    my $pid = $s->{postgresql}->pid;
    kill $signal, $pid;
    kill $signal, children($pid);
    return;
}

my @kinds = (
    {name => 'read', what => 'GET /api/v1/chat/sessions/{id}, cached', options => ['--read']},
    {name => 'system', what => 'POST .../messages that nothing answers', options => ['--say', 'system']},
    {name => 'user', what => 'POST .../messages that an instant AI answers', options => ['--say', 'user']},
);

# One run at half load, whose latencies and own times go to @{$kind->{$as}}.
sub half {
    my ($s, $kind, $as, $prefix) = @_;
    my @marks = log_marks($s);
    my @options = $as eq 'health' ? ('--get', '/health') : (@{$kind->{options}}, '--prefix', $prefix);
    my $r = load($s, @options, '--rate', $kind->{rate}, '--seconds', $seconds / 2);
    die "$prefix: only $r->{completed} of $r->{answered}" if $as ne 'health' && $r->{completed} != $r->{answered};
    my @own = map { /"ms":"?([\d.]+)/ ? $1 : () } log_since($s, '"answered"', @marks);
    die "$prefix: " . @own . " log lines for $r->{answered} answers" if @own < $r->{answered};
    push @{$kind->{$as}}, {total => [$r->{p50_us} / 1000, $r->{p99_us} / 1000], own => [part(0.5, @own), part(0.99, @own)]};
    return $r->{answered};
}

# What came while PostgreSQL stood is all in it when it goes on.
sub half_loads {
    my ($s, $run) = @_;
    my %sent;
    for my $kind (@kinds) {
        half($s, $kind, 'health', 'health');
        $sent{"$kind->{name}-$run"} = half($s, $kind, 'half', $kind->{name} eq 'read' ? 'seen' : "$kind->{name}-$run");
        settle($s);
    }
    postgres_signal($s, 'STOP');
    for my $kind (@kinds) {
        $sent{"$kind->{name}-stop$run"} = half($s, $kind, 'stopped', $kind->{name} eq 'read' ? 'seen' : "$kind->{name}-stop$run");
        wait_for('the turns', 300, sub { all_ended($s) }) or die "turns are left\n" . $s->last_words(5);
    }
    my @fresh = ('--prefix', "fresh-$run", '--conversations', 64, '--connections', 64);
    $sent{"fresh-$run"} = load($s, '--say', 'user', '--once', @fresh)->{answered};
    my $seen = load($s, '--read', '--rate', 1000, '--seconds', 1, @fresh);
    die "what came while PostgreSQL stands is not read from the cache: $seen->{completed} of $seen->{answered}" if $seen->{completed} != $seen->{answered};
    postgres_signal($s, 'CONT');
    settle($s);
    my ($sent, $missing) = (0, 0);
    for my $prefix (grep { !/^read/ } sort keys %sent) {
        $sent += $sent{$prefix};
        $missing += $sent{$prefix} - $s->psql("SELECT count(*) FROM messages WHERE conversation_id LIKE '$prefix-%'");
    }
    return ($sent, $missing);
}

# Of several runs the median of each figure, and the run with the best p99.
sub row_of_runs {
    my ($figure, $runs, $which, $bar) = @_;
    my ($best) = sort { $a->[1] <=> $b->[1] } map { $_->{$which} } @$runs;
    row($figure, ms(map { my $i = $_; median(map { $_->{$which}[$i] } @$runs) } 0, 1) . ', best ' . ms(@$best), $bar);
    return;
}

sub sessions {
    my $runs = 3;
    $settings = File::Temp->new;
    log_level(undef, 'WARNING');
    my $s = Stack->start(store => 'redis', responders => 2, double_options => ['--quiet'], env => {TURNKEEPER_CONF => "$settings", LOG_LEVEL => undef});
    print "Sessions, $seconds s each:\n";
    row('load average of the machine before', slurp('/proc/loadavg') =~ s/^((?:\S+ ){3}).*/$1/sr);
    load($s, '--say', 'system', '--count', 2000, '--prefix', 'seen');
    settle($s);
    load($s, '--read', '--seconds', 2, '--prefix', 'seen');
    row('GET /health per second through lighttpd', sprintf '%.0f', load($s, '--seconds', $seconds, '--get', '/health')->{per_second});
    for my $kind (@kinds) {
        my $before = cpu_of_parts($s);
        my $r = load($s, @{$kind->{options}}, '--seconds', $seconds, '--prefix', 'seen');
        my $after = cpu_of_parts($s);
        my $drained = time;
        settle($s);
        $drained = time - $drained;
        my $lasting = $r->{answered} / ($r->{seconds} + $drained);
        $kind->{rate} = int $lasting / 2;
        row("$kind->{what}: per second (64 connections)", sprintf '%.0f', $r->{per_second});
        row('  CPU each, responders / lighttpd / Redis', sprintf '%.0f / %.0f / %.0f us', map { 1e6 * ($after->{$_} - $before->{$_}) / $r->{answered} } 'responders', 'lighttpd', 'Redis');
        row('  answered and archived per second: the same with the time until all of it was', sprintf '%.0f', $lasting) if $kind->{name} ne 'read';
    }
    log_level($s, 'DEBUG');
    my ($sent, $missing) = (0, 0);
    for my $run (1 .. $runs) { my @n = half_loads($s, $run); $sent += $n[0]; $missing += $n[1] }
    for my $kind (@kinds) {
        row_of_runs("$kind->{what}: at half of that ($kind->{rate} per second), web server included, p50 / p99, median of $runs", $kind->{half}, 'total');
        row_of_runs('  GET /health at the same rate', $kind->{health}, 'total');
        row_of_runs('  own time, Redis included', $kind->{half}, 'own', '<= 1 / <= 5 ms');
        row_of_runs('  with PostgreSQL stopped', $kind->{stopped}, 'total');
        row_of_runs('  own time with PostgreSQL stopped', $kind->{stopped}, 'own', '<= 1 / <= 5 ms');
    }
    row("messages of those runs missing in PostgreSQL, of $sent", $missing, '0');
    row('load average of the machine after', slurp('/proc/loadavg') =~ s/^((?:\S+ ){3}).*/$1/sr);
    die "$missing messages are missing" if $missing != 0;
    $s->finish;
    return;
}

sub messages {
    my $s = Stack->start(store => 'redis', responders => 2, double_options => ['--quiet'], env => {LOG_LEVEL => 'WARNING'});
    latency($s, throughput($s) / 2);
    $s->finish;
    return;
}

# ---- histories ----

# Milliseconds of each of n requests, one after another.
sub asked {
    my ($s, $path, $n) = @_;
    my @took;
    for (1 .. $n) {
        my $answer = $s->admin($path);
        die "$path: " . $answer->text if $answer->status != 200;
        push @took, 1000 * $answer->took;
    }
    return @took;
}

# Exchanges that were made elsewhere, by lists and one by one, and how long the archive has to do with them.
sub synced {
    my $s = Stack->start(store => 'redis', responders => 2, double_options => ['--quiet'], env => {LOG_LEVEL => 'WARNING'});
    print "Exchanges through sync, $seconds s each:\n";
    load($s, '--seconds', 2, '--prefix', 'warm', '--sync', 1);
    for my $n (100, 1) {
        my @options = ('--sync', $n, '--prefix', "sync$n", '--connections', $n > 1 ? 8 : 64, '--conversations', $n > 1 ? 80 : 1000);
        my $before = cpu_of_parts($s);
        my $r = load($s, '--seconds', $seconds, @options);
        my $left = $s->redis('LLEN', 'message_queue');
        my $drained = time;
        wait_for('the archive to drain', 300, sub { $s->redis('LLEN', 'message_queue') == 0 && !@{$s->redis('KEYS', 'message_queue:taken:*')} });
        $drained = time - $drained;
        my $after = cpu_of_parts($s);
        die "only $r->{completed} of $r->{answered} taken" if $r->{completed} != $r->{answered};
        my $taken = $n * $r->{answered};
        row($n > 1 ? "exchanges per second through sync, lists of $n" : '  one by one, 64 connections', sprintf('%.0f', $n * $r->{per_second}), '>= 5000');
        row('  until they are archived, too', sprintf('%.0f', $taken / ($seconds + $drained)));
        row('  waiting for the archive at the end of the load', $left);
        row('  CPU per exchange', join ', ', map { sprintf '%s %.0f us', $_, 1e6 * ($after->{$_} - $before->{$_}) / $taken } 'responders', 'daemon', 'Redis', 'PostgreSQL');
    }
    $s->finish;
    return;
}

# An archive of so many exchanges, nothing of which the store knows (contrib/history-load).
sub history {
    my $s = Stack->start(store => 'redis', responders => 2, double_options => ['--quiet'], env => {LOG_LEVEL => 'WARNING'});
    print "Histories of an archive of $exchanges exchanges:\n";
    system("$Stack::source/contrib/history-load", '--messages', $exchanges, "host=127.0.0.1 port=$s->{postgres_port} user=postgres dbname=turnkeeper") == 0
        or die 'history-load';
    my $session = '/api/chathistory/load-heavy/sessions/load-million?pageSize=50';
    my $before = $s->admin("$session&page=1");
    my $pages = $before->json->{totalPages} or die 'no page: ' . $before->text;
    my $last = $s->admin("$session&page=" . ($pages - 1))->json->{nextCursor} // die 'no cursor';
    my @first = asked($s, "$session&cursor=", 500);
    my @last = asked($s, "$session&cursor=$last", 500);
    row("a page of 50 by cursor, the first of a session of $before->{json}{totalCount}, p50 / p99", ms(map { part($_, @first) } 0.5, 0.99), 'p99 <= 10 ms');
    row('  the last one, p50 / p99', ms(map { part($_, @last) } 0.5, 0.99));
    row('  the last to the first, p50', sprintf('%.2f', part(0.5, @last) / part(0.5, @first)), '<= 1.5');
    row('a page of 50 by number, the first, p50 / p99', do { my @n = asked($s, "$session&page=1", 500); ms(map { part($_, @n) } 0.5, 0.99) });
    row('  the last one, p50', ms(part(0.5, asked($s, "$session&page=$pages", 5))));
    row('sessions of a user who has 100, p50 / p99', do { my @n = asked($s, '/api/chathistory/load-hundred/sessions', 500); ms(map { part($_, @n) } 0.5, 0.99) }, '<= 10 ms');
    row('GET /health one after another, p50 / p99', do { my @n = asked($s, '/health', 500); ms(map { part($_, @n) } 0.5, 0.99) });
    $s->finish;
    return;
}

print machine(), "\n";
messages() if $wanted{messages};
jobs()     if $wanted{jobs};
waiting()  if $wanted{waiting};
sessions() if $wanted{sessions};
synced()   if $wanted{sync};
history()  if $wanted{history};

print "\n", machine(), "\n\n| figure | here | bar |\n|---|---|---|\n";
print '| ', join(' | ', map { s/^ +/&nbsp; /r } @$_), " |\n" for @table;
