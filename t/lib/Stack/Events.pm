# SPDX-License-Identifier: MIT
# A stream of server-sent events from a client's side: reads when it is asked to, and knows what has come. Understands chunks, so that
# a proper end and a loss can be told apart. Knows no endpoint.
package Stack::Events;
use strict;
use warnings;
use Errno qw(EAGAIN EWOULDBLOCK EINTR);
use IO::Socket::INET;
use Socket qw(SOL_SOCKET SO_RCVBUF);

# open(port => N, path => P, headers => {...}, receive => bytes of the socket's buffer): the request is sent.
sub open {
    my ($class, %o) = @_;
    my $socket = IO::Socket::INET->new(Proto => 'tcp') or die "socket: $!";
    setsockopt $socket, SOL_SOCKET, SO_RCVBUF, $o{receive} if $o{receive};
    connect $socket, Socket::pack_sockaddr_in($o{port}, Socket::inet_aton('127.0.0.1')) or die "connect: $!";
    my %headers = (Host => 'localhost', Accept => 'text/event-stream', %{$o{headers} || {}});
    my $text = join '', ($o{method} // 'GET') . " $o{path} HTTP/1.1\r\n", (map { "$_: $headers{$_}\r\n" } sort keys %headers), "\r\n";
    syswrite($socket, $text) == length $text or die "send: $!";
    $socket->blocking(0);
    return bless {socket => $socket, raw => '', body => '', events => [], comments => 0}, $class;
}

# Takes what is there. ended: the last chunk or byte has come; closed: the connection is no more.
sub read {
    my $self = shift;
    while (!$self->{closed}) {
        my $n = sysread $self->{socket}, $self->{raw}, 65536, length $self->{raw};
        last if !defined $n && ($! == EAGAIN || $! == EWOULDBLOCK || $! == EINTR);
        $self->{closed} = 1 if !$n;
    }
    $self->_take_head if !defined $self->{status};
    $self->_take_chunks if defined $self->{status};
    while ($self->{body} =~ s/\A(.*?)\n\n//s) {
        my %event;
        for (split /\n/, $1) {
            if (/^:/) { $self->{comments}++ }
            elsif (/^(\w+): ?(.*)/) { $event{$1} = exists $event{$1} ? "$event{$1}\n$2" : $2 }
        }
        push @{$self->{events}}, \%event if %event;
    }
    return $self;
}

sub _take_head {
    my $self = shift;
    $self->{raw} =~ s{\AHTTP/1\.1 (\d+)[^\n]*\r\n(.*?)\r\n\r\n}{}s or return;
    $self->{status} = $1;
    $self->{headers} = {map { /^([^:]+):\s*(.*)/ ? (lc $1 => $2) : () } split /\r\n/, $2};
    return;
}

sub _take_chunks {
    my $self = shift;
    if (lc($self->{headers}{'transfer-encoding'} // '') ne 'chunked') {
        $self->{body} .= $self->{raw};
        $self->{got} += length $self->{raw};
        $self->{raw} = '';
        # a web server that has all of it before it sends the head says how long it is
        $self->{ended} = 1 if defined $self->{headers}{'content-length'} && $self->{got} >= $self->{headers}{'content-length'};
        return;
    }
    while ($self->{raw} =~ /\A([0-9a-fA-F]+)[^\r]*\r\n/) {
        my ($size, $begin) = (hex $1, $+[0]);
        last if length $self->{raw} < $begin + $size + 2;
        $self->{body} .= substr $self->{raw}, $begin, $size;
        substr $self->{raw}, 0, $begin + $size + 2, '';
        $self->{ended} = 1 if !$size;
    }
    return;
}

sub status   { $_[0]{status} }
sub header   { $_[0]{headers}{lc $_[1]} }
sub events   { @{$_[0]->read->{events}} }
sub last     { my @all = $_[0]->events; return @all ? $all[-1] : {} }
sub comments { $_[0]->read->{comments} }
sub ended    { $_[0]->read->{ended} }
sub closed   { $_[0]->read->{closed} }
sub hang_up  { close $_[0]{socket} }

1;
