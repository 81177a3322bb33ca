# SPDX-License-Identifier: MIT
# HTTP from a test's side: one request, many at once over many connections in one process, or bytes as they are.
# Forgives nothing: an answer that is cut, or a connection that closes early, is status 0 with an error.
package Stack::Client;
use strict;
use warnings;
use Errno qw(EINPROGRESS EAGAIN EWOULDBLOCK EINTR);
use IO::Socket::INET;
use JSON::PP ();
use Time::HiRes qw(time);

my $json = JSON::PP->new->utf8->canonical->allow_nonref;

sub new {
    my ($class, %o) = @_;
    return bless {host => '127.0.0.1', timeout => 90, %o}, $class;
}

sub encode { $json->encode($_[1]) }
sub decode { my $v = eval { $json->decode($_[1]) }; $v }

# {method, path, headers => {..}, body, json}: json is encoded and sets Content-Type. Header values may be lists: sent once each.
sub render {
    my ($self, $r) = @_;
    my $body = defined $r->{json} ? $json->encode($r->{json}) : $r->{body};
    my %headers = (Host => 'localhost', %{$r->{headers} || {}});
    $headers{'Content-Type'} //= 'application/json' if defined $r->{json};
    my $method = $r->{method} || (defined $body ? 'POST' : 'GET');
    $headers{'Content-Length'} //= length $body if defined $body;
    my $text = "$method $r->{path} HTTP/1.1\r\n";
    for my $name (sort keys %headers) {
        my $value = $headers{$name} // next;
        $text .= "$name: $_\r\n" for ref $value ? @$value : $value;
    }
    return "$text\r\n" . ($body // '');
}

# An answer from the bytes so far: undef when more have to come. `closed`: the peer has closed; `head`: it is to HEAD, no body follows.
sub parse_answer {
    my ($bytes, $closed, $head) = @_;
    my $end = index $bytes, "\r\n\r\n";
    return $closed ? _failed(length $bytes ? 'cut in the head' : 'closed without an answer') : undef if $end < 0;
    my ($first, @lines) = split /\r\n/, substr $bytes, 0, $end;
    my ($status) = $first =~ m{^HTTP/1\.[01] (\d{3})} or return _failed("no status line: $first");
    my $rest = substr $bytes, $end + 4;
    return parse_answer($rest, $closed, $head) if $status == 100;
    my %headers;
    for (@lines) {
        my ($name, $value) = /^([^:]+):\s*(.*?)\s*$/ or next;
        $headers{lc $name} = exists $headers{lc $name} ? "$headers{lc $name}, $value" : $value;
    }
    my $answer = bless {status => $status + 0, headers => \%headers, body => ''}, 'Stack::Answer';
    return $answer if $head || $status == 204 || $status == 304;
    if (lc($headers{'transfer-encoding'} // '') eq 'chunked') {
        my ($body, $at) = ('', 0);
        while (1) {
            my $eol = index $rest, "\r\n", $at;
            return $closed ? _failed('cut in a chunk') : undef if $eol < 0;
            my $size = hex substr $rest, $at, $eol - $at;
            return $closed ? _failed('cut in a chunk') : undef if length $rest < $eol + 4 + $size;
            $body .= substr $rest, $eol + 2, $size;
            $at = $eol + 4 + $size;
            last if !$size;
        }
        $answer->{body} = $body;
        return $answer;
    }
    my $length = $headers{'content-length'};
    if (defined $length) {
        return $closed ? _failed('cut in the body') : undef if length $rest < $length;
        $answer->{body} = substr $rest, 0, $length;
        return $answer;
    }
    return undef if !$closed;
    $answer->{body} = $rest;
    return $answer;
}

sub _failed { return bless {status => 0, error => $_[0], headers => {}, body => ''}, 'Stack::Answer' }

sub _connect {
    my $self = shift;
    return IO::Socket::INET->new(PeerAddr => $self->{host}, PeerPort => $self->{port}, Proto => 'tcp', Blocking => 0);
}

# One request on a connection of its own.
sub request { my ($self, %r) = @_; return ($self->requests([\%r]))[0] }

# All of them, over at most `connections` at a time (default: one each), in order of the list as connections become free.
# A request {after => seconds} is not sent earlier. Answers in order of the requests, each with {sent_at, done_at}.
# each => sub { my ($index, $answer) = @_; ... } is called as they come.
sub requests {
    my ($self, $requests, %o) = @_;
    my $most = $o{connections} || @$requests;
    my $timeout = $o{timeout} || $self->{timeout};
    my ($next, $done, $begin, @answers, %busy, @idle) = (0, 0, time);
    my $finish = sub {
        my ($c, $answer) = @_;
        $answer->{sent_at} = $c->{sent_at};
        $answer->{done_at} = time;
        $answers[$c->{index}] = $answer;
        $done++;
        delete $busy{fileno $c->{socket}};
        my $keep = $answer->{status} && lc($answer->{headers}{connection} // '') ne 'close' && $next < @$requests;
        if   ($keep) { push @idle, $c->{socket} }
        else         { close $c->{socket} }
        $o{each}->($c->{index}, $answer) if $o{each};
    };
    while ($done < @$requests) {
        my $now = time;
        while ($next < @$requests && keys %busy < $most && $begin + ($requests->[$next]{after} // 0) <= $now) {
            my $reused = @idle > 0;
            my $socket = $reused ? pop @idle : $self->_connect;
            my $c = {socket => $socket, index => $next, out => $self->render($requests->[$next]), in => '',
                sent_at => $now, reused => $reused};
            $next++;
            if (!$socket) { $answers[$c->{index}] = _failed("connect: $!"); $done++; next }
            $busy{fileno $socket} = $c;
        }
        my ($read, $write) = ('', '');
        for my $fd (keys %busy) {
            vec($read, $fd, 1) = 1;
            vec($write, $fd, 1) = 1 if length $busy{$fd}{out};
        }
        my $ready = select $read, $write, undef, 0.05;
        $now = time;
        for my $fd (keys %busy) {
            my $c = $busy{$fd};
            if ($ready > 0 && length $c->{out} && vec $write, $fd, 1) {
                my $n = syswrite $c->{socket}, $c->{out};
                if (defined $n) { substr $c->{out}, 0, $n, '' }
                elsif (!_later()) { $c->{out} = '' } # the answer, or its lack, says what happened
            }
            if ($ready > 0 && vec $read, $fd, 1) {
                my $n = sysread $c->{socket}, $c->{in}, 65536, length $c->{in};
                next if !defined $n && _later();
                my $closed = !$n;
                if ($closed && $c->{reused} && !length $c->{in}) { # an idle connection that the server had closed: as a client does
                    my $socket = $self->_connect;
                    delete $busy{$fd};
                    close $c->{socket};
                    @$c{qw(socket reused out)} = ($socket, 0, $self->render($requests->[$c->{index}]));
                    $busy{fileno $socket} = $c;
                    next;
                }
                my $answer = parse_answer($c->{in}, $closed, ($requests->[$c->{index}]{method} // '') eq 'HEAD');
                $finish->($c, $answer) if $answer;
            }
            elsif ($now - $c->{sent_at} > $timeout) { $finish->($c, _failed("no answer in $timeout s")) }
        }
    }
    close $_ for @idle;
    return @answers;
}

sub _later { return $! == EAGAIN || $! == EWOULDBLOCK || $! == EINTR || $! == EINPROGRESS }

# Bytes as they are. finish => 1 closes our side after them. The answer, or status 0.
sub raw {
    my ($self, $bytes, %o) = @_;
    my $socket = IO::Socket::INET->new(PeerAddr => $self->{host}, PeerPort => $self->{port}, Proto => 'tcp') or return _failed("connect: $!");
    local $SIG{PIPE} = 'IGNORE';
    my $until = time + ($o{timeout} || $self->{timeout});
    my $at = 0;
    while ($at < length $bytes) {
        my $n = syswrite $socket, $bytes, length($bytes) - $at, $at;
        last if !defined $n; # the server has seen enough; its answer may be there all the same
        $at += $n;
    }
    shutdown $socket, 1 if $o{finish};
    my $in = '';
    while (time < $until) {
        my $read = '';
        vec($read, fileno $socket, 1) = 1;
        next if select($read, undef, undef, 0.1) <= 0;
        my $n = sysread $socket, $in, 65536, length $in;
        my $answer = parse_answer($in, !$n);
        return $answer if $answer;
        return _failed('closed') if !$n;
    }
    return _failed('no answer');
}

package Stack::Answer;

sub status  { $_[0]{status} }
sub header  { $_[0]{headers}{lc $_[1]} }
sub body    { $_[0]{body} }
sub error   { $_[0]{error} }
sub json    { my $s = shift; $s->{json} = Stack::Client->decode($s->{body}) if !exists $s->{json}; $s->{json} }
# result.status of an answer of A, or "".
sub outcome { my $j = $_[0]->json; ref $j eq 'HASH' && ref $j->{result} eq 'HASH' ? $j->{result}{status} // '' : '' }
sub took    { $_[0]{done_at} - $_[0]{sent_at} }
# For messages of a test that fails.
sub text { my $s = shift; $s->{status} . ' ' . ($s->{error} // '') . ' ' . substr $s->{body} // '', 0, 600 }

1;
