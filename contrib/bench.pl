# SPDX-License-Identifier: MIT
# The measurements of contrib/bench. Load comes from t/lib/load, AI and platform from t/lib/double, CPU times and memory from /proc.
use strict;
use warnings;
use Getopt::Long;
use JSON::PP ();
use POSIX ();
use Stack;
use Test::More (); # Stack speaks through it when something goes wrong
use Time::HiRes qw(sleep time);

GetOptions('seconds=i' => \(my $seconds = 10), 'waiting=i' => \my $waiting) or exit 64;
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

sub load {
    my ($s, @options) = @_;
    my $text = do {
        open my $fh, '-|', "$Stack::build/t/lib/load", '--port', $s->{port}, '--token', $s->{platform_token}, @options or die "load: $!";
        local $/;
        <$fh>;
    };
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

print machine(), "\n";
my $s = Stack->start(store => 'redis', responders => 2, double_options => ['--quiet'], env => {LOG_LEVEL => 'WARNING'});
my $rate = throughput($s);
latency($s, $rate / 2);
$s->finish;
waiting();

print "\n", machine(), "\n\n| figure | here | bar |\n|---|---|---|\n";
print '| ', join(' | ', map { s/^ +/&nbsp; /r } @$_), " |\n" for @table;
