# SPDX-License-Identifier: MIT
# A WebSocket from a client's side (RFC 6455), over raw sockets: masks, fragments, control frames, close codes. What a client must not do can be
# done, too. Knows no endpoint.
#
#   my $ws = Stack::WebSocket->open(port => N | path => P, target => '/ws/chat/c1', headers => {...});   # $ws->status is 101, or what it was
#   $ws->text('{"type":"ping"}');
#   my $frame = $ws->next(5);             # {op, text, last}; undef: nothing came, or it is over
#   my $event = $ws->json(5);             # the next text frame; pings are answered on the way
#   my $code  = $ws->closed(5);           # waits for the closing: its code, 0 without one, undef while it is open
package Stack::WebSocket;
use strict;
use warnings;
use Digest::SHA qw(sha1_base64);
use Errno qw(EAGAIN EWOULDBLOCK EINTR);
use IO::Select;
use IO::Socket::INET;
use IO::Socket::UNIX;
use Socket qw(SOL_SOCKET SO_RCVBUF);
use Stack::Client;
use Time::HiRes qw(time);

use constant {MORE => 0, TEXT => 1, BINARY => 2, CLOSE => 8, PING => 9, PONG => 10};

# port (loopback) or path (Unix socket); target; headers; receive: bytes of the socket's buffer; wait: seconds for the answer.
sub open {
    my ($class, %o) = @_;
    my $socket;
    if (defined $o{path}) { $socket = IO::Socket::UNIX->new(Peer => $o{path}) or die "$o{path}: $!" }
    else {
        $socket = IO::Socket::INET->new(Proto => 'tcp') or die "socket: $!";
        setsockopt $socket, SOL_SOCKET, SO_RCVBUF, $o{receive} if $o{receive};
        connect $socket, Socket::pack_sockaddr_in($o{port}, Socket::inet_aton('127.0.0.1')) or die "connect: $!";
    }
    my $key = 'dGhlIHNhbXBsZSBub25jZQ==';
    my %headers = (
        Host => 'localhost', Upgrade => 'websocket', Connection => 'Upgrade', 'Sec-WebSocket-Key' => $key, 'Sec-WebSocket-Version' => 13,
        %{$o{headers} || {}});
    my $request = join '', ($o{method} // 'GET') . " $o{target} HTTP/1.1\r\n",
        (map { "$_: $headers{$_}\r\n" } grep { defined $headers{$_} } sort keys %headers), "\r\n";
    syswrite($socket, $request) == length $request or die "send: $!";
    $socket->blocking(0);
    my $self = bless {socket => $socket, raw => '', answer_pings => 1, pings => 0}, $class;
    my $until = time + ($o{wait} // 20);
    $self->_read($until - time) while $self->{raw} !~ /\r\n\r\n/ && !$self->{over} && time < $until;
    if ($self->{raw} =~ s{\AHTTP/1\.1 (\d+)[^\n]*\r\n(.*?)\r\n\r\n}{}s) {
        $self->{status}  = $1;
        $self->{headers} = {map { /^([^:]+):\s*(.*)/ ? (lc $1 => $2) : () } split /\r\n/, $2};
    }
    if ($self->status == 101) {
        my $want = sha1_base64("${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11") . '=';
        ($self->{headers}{'sec-websocket-accept'} // '') eq $want or die 'another handshake is answered';
    }
    return $self;
}

sub status { $_[0]{status} // 0 }
# The body of a refusal, as JSON.
sub refusal {
    my $self = shift;
    my $until = time + 5;
    $self->_read($until - time) while !$self->{over} && length $self->{raw} < ($self->{headers}{'content-length'} // 1e9) && time < $until;
    return eval { Stack::Client->decode($self->{raw}) } // {};
}

# Takes what is there, waits for something for so many seconds at most.
sub _read {
    my ($self, $seconds) = @_;
    return if $self->{over};
    IO::Select->new($self->{socket})->can_read($seconds) or return;
    my $n = sysread $self->{socket}, $self->{raw}, 65536, length $self->{raw};
    return if !defined $n && ($! == EAGAIN || $! == EWOULDBLOCK || $! == EINTR);
    $self->{over} = 1 if !$n;
    return;
}

sub raw { my ($self, $bytes) = @_; $self->_write($bytes); return }
sub _write {
    my ($self, $bytes) = @_;
    local $SIG{PIPE} = 'IGNORE'; # what the other side did shows in what is read
    while (length $bytes) {
        my $n = syswrite $self->{socket}, $bytes;
        if (!defined $n) {
            return if $! != EAGAIN && $! != EWOULDBLOCK && $! != EINTR;
            IO::Select->new($self->{socket})->can_write(1);
            next;
        }
        substr $bytes, 0, $n, '';
    }
    return;
}

# One frame, masked. last => 0: more of the message follows.
sub frame {
    my ($self, $op, $payload, %o) = @_;
    my $n = length $payload;
    my $mask = pack 'N', int rand 2**32;
    my $head = pack 'C', $op | (($o{last} // 1) ? 0x80 : 0);
    $head .= $n < 126 ? pack('C', 0x80 | $n) : $n < 65536 ? pack('Cn', 0x80 | 126, $n) : pack('CQ>', 0x80 | 127, $n);
    $self->_write($head . $mask . ($payload ^ substr $mask x ($n / 4 + 1), 0, $n));
    return;
}

sub text { my ($self, $payload) = @_; return $self->frame(TEXT, $payload) }
sub say  { my ($self, %message) = @_; return $self->text(Stack::Client->encode(\%message)) }

sub _take {
    my $self = shift;
    return undef if length $self->{raw} < 2;
    my ($first, $n) = unpack 'CC', $self->{raw};
    my $header = $n < 126 ? 2 : $n == 126 ? 4 : 10;
    return undef if length $self->{raw} < $header;
    $n = unpack 'x2n', $self->{raw}  if $n == 126;
    $n = unpack 'x2Q>', $self->{raw} if $header == 10;
    return undef if length $self->{raw} < $header + $n;
    my $payload = substr $self->{raw}, $header, $n;
    substr $self->{raw}, 0, $header + $n, '';
    return {op => $first & 15, last => $first >> 7, text => $payload};
}

sub next {
    my ($self, $seconds) = @_;
    my $until = time + $seconds;
    while (1) {
        my $frame = $self->_take;
        if ($frame) {
            return $frame if $frame->{op} != PING;
            $self->{pings}++;
            $self->frame(PONG, $frame->{text}) if $self->{answer_pings};
            next;
        }
        return undef if $self->{over} || time >= $until;
        $self->_read($until - time);
    }
}

sub json {
    my ($self, $seconds) = @_;
    my $frame = $self->next($seconds);
    return defined $frame && $frame->{op} == TEXT ? Stack::Client->decode($frame->{text}) : undef;
}

# The next text frame of this type; others are skipped.
sub of_type {
    my ($self, $type, $seconds) = @_;
    my $until = time + $seconds;
    while (time < $until) {
        my $event = $self->json($until - time) // return undef;
        return $event if ($event->{type} // '') eq $type;
    }
    return undef;
}

sub closed {
    my ($self, $seconds) = @_;
    my $until = time + $seconds;
    while (time < $until) {
        my $frame = $self->next($until - time);
        return $self->{over} ? 0 : undef if !$frame;
        next if $frame->{op} != CLOSE;
        $self->frame(CLOSE, $frame->{text});
        return length $frame->{text} >= 2 ? unpack 'n', $frame->{text} : 0;
    }
    return undef;
}

# Whether the connection ends within that time.
sub ends {
    my ($self, $seconds) = @_;
    my $until = time + $seconds;
    $self->_read($until - time) while !$self->{over} && time < $until;
    return $self->{over};
}

sub leave { my $self = shift; close $self->{socket}; $self->{over} = 1; return }

1;
