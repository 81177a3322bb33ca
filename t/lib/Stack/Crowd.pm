# SPDX-License-Identifier: MIT
# The crowd of t/lib/listeners beside a test, what it reports, and what processes cost meanwhile. Knows a stack's sessions, not what is said in them.
package Stack::Crowd;
use strict;
use warnings;
use IO::Handle;
use POSIX ();
use Time::HiRes qw(sleep);
use Stack::Process;

my $ticks = POSIX::sysconf(POSIX::_SC_CLK_TCK());

# start($stack, sse => N, ws => N, sessions => K, ...): as the options of t/lib/listeners. They connect by themselves.
sub start {
    my ($class, $stack, %o) = @_;
    pipe my $from, my $to or die "pipe: $!";
    $to->autoflush(1);
    my $self = bless {to => $to, stack => $stack, log => "$stack->{dir}/logs/listeners.out", at => 0, prefix => 's', %o}, $class;
    $self->{process} = Stack::Process->start(name => 'listeners', stdin => $from, log => $self->{log},
        command => ["$Stack::build/t/lib/listeners", '--port', $stack->{port}, '--token', $stack->{platform_token},
            '--straight', "$stack->{dir}/turnkeeper/ws.sock", map { ("--$_", $o{$_}) } sort keys %o]);
    close $from;
    return $self;
}

sub sessions { my $self = shift; return map { "$self->{prefix}$_" } 0 .. $self->{sessions} - 1 }

sub tell {
    my ($self, @words) = @_;
    local $SIG{PIPE} = 'IGNORE';
    print {$self->{to}} "@words\n" or die "listeners: $!\n" . join '', $self->complaints;
    return;
}

# The next line of JSON in its log, decoded.
sub _next_report {
    my $self = shift;
    my $line = Stack::wait_for('a report', 30, sub {
        open my $fh, '<', $self->{log} or return;
        seek $fh, $self->{at}, 0;
        while (<$fh>) {
            return if !/\n\z/;
            $self->{at} += length;
            return $_ if /^\{/;
        }
        return !$self->{process}->alive && '{}';
    });
    return Stack::Client->decode($line // '{}');
}

sub report { my $self = shift; $self->tell('report'); return $self->{last} = $self->_next_report }

# The first report of which this is true; undef, with the last one as a diagnosis.
sub until {
    my ($self, $what, $seconds, $so) = @_;
    my $found = Stack::wait_for($what, $seconds, sub { sleep 0.1; my $r = $self->report; $so->($r) && $r });
    Test::More::diag($self->brief, $self->complaints) if !$found;
    return $found;
}

# The last report without its sessions.
sub brief {
    my %r = %{$_[0]{last} || {}};
    delete $r{sessions};
    return Stack::Client->encode(\%r) . "\n";
}

# What it complained of.
sub complaints {
    my $self = shift;
    open my $fh, '<', $self->{log} or return ();
    return grep { !/^\{/ } <$fh>;
}

# Its last report.
sub end {
    my $self = shift;
    $self->tell('quit');
    my $last = $self->_next_report;
    Test::More::ok($self->{process}->wait_end(Stack::bound(20)) && $self->{process}->status == 0, 'the listeners go');
    return $last;
}

# ---- what a process costs ----

sub resident_kib {
    open my $fh, '<', "/proc/$_[0]/status" or return 0;
    for (<$fh>) { return $1 if /^VmRSS:\s+(\d+)/ }
    return 0;
}

# Seconds of processor time so far.
sub cpu {
    open my $fh, '<', "/proc/$_[0]/stat" or return 0;
    my @f = split ' ', (<$fh> =~ s/^.*\) //sr);
    return ($f[11] + $f[12]) / $ticks;
}

1;
