# SPDX-License-Identifier: MIT
# Processes of a test: each one is started, signalled and ended by its process id, has a log file, and ends with the test, however the
# test ends (setpriv's --pdeathsig covers a test that is killed). Knows nothing of what the programs are.
package Stack::Process;
use strict;
use warnings;
use POSIX qw(:sys_wait_h dup2);
use Time::HiRes qw(sleep time);

my @running; # in order of their start

# start(name => N, command => [...], log => FILE): a running process.
# stdin => HANDLE becomes descriptor 0; env => {...} replaces the environment; user => NAME drops root's rights;
# stop => SIGNAL ends it in peace (TERM), grace => seconds until KILL follows (10); limit => descriptors.
sub start {
    my ($class, %o) = @_;
    my $self = bless {stop => 'TERM', grace => 10, %o}, $class;
    # PostgreSQL and Apache have children of their own, which they end when they get their stop signal, not when they are killed.
    my @wrap = ('setpriv', '--pdeathsig', $self->{stop});
    push @wrap, "--reuid=$o{user}", "--regid=$o{user}", '--clear-groups' if defined $o{user};
    my $limit = $o{limit} ? "ulimit -n $o{limit}; " : '';
    my @command = (@wrap, '--', 'sh', '-c', $limit . 'exec "$@"', 'sh', @{$o{command}});
    my $pid = fork // die "fork: $!";
    if (!$pid) {
        $SIG{$_} = 'DEFAULT' for qw(INT TERM HUP PIPE);
        %ENV = %{$o{env}} if $o{env};
        if ($o{stdin}) { dup2(fileno $o{stdin}, 0) // POSIX::_exit(126) }
        else           { open STDIN, '<', '/dev/null' or POSIX::_exit(126) }
        open STDOUT, '>>', $o{log} or POSIX::_exit(126);
        open STDERR, '>&', \*STDOUT or POSIX::_exit(126);
        { no warnings 'exec'; exec { $command[0] } @command }
        POSIX::_exit(127);
    }
    $self->{pid} = $pid;
    push @running, $self;
    return $self;
}

sub pid  { $_[0]{pid} }
sub name { $_[0]{name} }

# True while it runs; reaps it when it has ended, and keeps its wait status.
sub alive {
    my $self = shift;
    return 0 if defined $self->{status};
    my $got = waitpid $self->{pid}, WNOHANG;
    return 1 if $got == 0;
    $self->{status} = $got == $self->{pid} ? $? : -1;
    @running = grep { $_ != $self } @running;
    return 0;
}

# Wait status, undef while it runs.
sub status { my $self = shift; $self->alive; $self->{status} }

sub signal { my ($self, $signal) = @_; return $self->alive && kill $signal, $self->{pid} }

sub kill9 {
    my $self = shift;
    $self->signal('KILL');
    $self->wait_end(10) or die "$self->{name} survives SIGKILL";
    return;
}

sub wait_end {
    my ($self, $seconds) = @_;
    my $until = time + $seconds;
    while ($self->alive) {
        return 0 if time > $until;
        sleep 0.01;
    }
    return 1;
}

# In peace, and by force when it does not want to. True when it went in peace.
sub end {
    my $self = shift;
    return 1 if !$self->alive;
    kill 'CONT', $self->{pid};
    kill $self->{stop}, $self->{pid};
    return 1 if $self->wait_end($self->{grace});
    kill 'KILL', $self->{pid};
    $self->wait_end(5);
    return 0;
}

# The last lines of its log.
sub tail {
    my ($self, $lines) = @_;
    open my $fh, '<', $self->{log} or return ();
    my @all = <$fh>;
    my $from = @all > $lines ? @all - $lines : 0;
    return @all[$from .. $#all];
}

# Everything that still runs, the last one first.
sub end_all { my @all = reverse @running; $_->end for @all; return }

1;
