# SPDX-License-Identifier: MIT
# Somebody who gets callbacks: a small HTTP server in a process of its own that writes down every request, as a JSON line, before it answers as its
# script says. Also checks signatures, by the text of Standard Webhooks and with no line of turnkeeper's. Knows no job.
package Stack::Receiver;
use strict;
use warnings;
use Digest::SHA qw(hmac_sha256);
use IO::Select;
use IO::Socket::INET;
use JSON::PP ();
use MIME::Base64 qw(decode_base64 encode_base64);
use POSIX ();
use Time::HiRes qw(time);

my $json = JSON::PP->new->utf8->canonical;

# start($stack): listens on a free loopback port, ends with the test.
sub start {
    my ($class, $stack) = @_;
    my $self = bless {port => Stack::free_port(), dir => $stack->{dir}, script => {}}, $class;
    $self->{$_} = "$stack->{dir}/receiver-$self->{port}.$_" for qw(requests answers);
    $self->_write_script;
    mkdir "$stack->{dir}/logs";
    $self->{process} = Stack::Process->start(name => 'receiver', log => "$stack->{dir}/logs/receiver.log",
        command => [$^X, (map { "-I$_" } grep { !ref } @INC), '-MStack::Receiver', '-e', 'Stack::Receiver::serve(@ARGV)', @$self{qw(port requests answers)}]);
    Stack::wait_for('the receiver', 20, sub { IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $self->{port}) }) or die 'the receiver does not come up';
    return $self;
}

sub url { my ($self, $path, $host) = @_; return 'http://' . ($host // '127.0.0.1') . ":$self->{port}$path" }

# What this path answers, one after the other, the last one for ever: {status (200), headers => {...}, body, delay (seconds), hang, cut}. Nothing: 200.
sub answers {
    my ($self, $path, @answers) = @_;
    $self->{script}{$path} = \@answers;
    $self->_write_script;
    return;
}

sub _write_script {
    my $self = shift;
    open my $fh, '>', "$self->{answers}.new" or die $!;
    print {$fh} $json->encode($self->{script});
    close $fh or die $!;
    rename "$self->{answers}.new", $self->{answers} or die $!;
    return;
}

# {path, headers, body, at} of what came, in order; of one path.
sub got {
    my ($self, $path) = @_;
    open my $fh, '<', $self->{requests} or return;
    return grep { !defined $path || $_->{path} eq $path } map { $json->decode($_) } grep { /\n\z/ } <$fh>;
}

# As the text says: base64(HMAC-SHA256(secret, id.timestamp.body)) is among the v1 signatures, and the time is near. "": good, else what is wrong.
sub wrong_signature {
    my ($request, $secret, $body) = @_;
    my ($id, $timestamp, $signatures) = map { $request->{headers}{"webhook-$_"} // return "no webhook-$_" } qw(id timestamp signature);
    return "no timestamp: $timestamp" if $timestamp !~ /^\d+\z/;
    return "the timestamp is $timestamp, it came at $request->{at}" if abs($timestamp - $request->{at}) > 300;
    my $key = decode_base64($secret =~ s/^whsec_//r);
    my $want = encode_base64(hmac_sha256("$id.$timestamp." . ($body // decode_base64($request->{body64})), $key), '');
    return (grep { $_ eq "v1,$want" } split / /, $signatures) ? '' : "no signature of that secret among $signatures";
}

sub body { return $json->decode(decode_base64($_[0]{body64})) }

# ---- the process ----

sub serve {
    my ($port, $requests, $answers) = @_;
    local $SIG{PIPE} = 'IGNORE';
    my $listen = IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => $port, Listen => 200, ReuseAddr => 1) or die "listen: $!";
    open my $out, '>>', $requests or die "$requests: $!";
    my $all = IO::Select->new($listen);
    my (%of, %times, @later);
    while (1) {
        for my $socket ($all->can_read(0.02)) {
            if ($socket == $listen) {
                my $new = $listen->accept or next;
                $all->add($new);
                $of{fileno $new} = '';
                next;
            }
            my $n = sysread $socket, $of{fileno $socket}, 65536, length $of{fileno $socket};
            if (!$n) { $all->remove($socket); close $socket; next }
            my $request = _request($of{fileno $socket}) or next;
            $of{fileno $socket} = '';
            syswrite $out, $json->encode($request) . "\n";
            my $say = _next_answer($answers, $request->{path}, \%times);
            if    ($say->{cut})  { $all->remove($socket); close $socket }
            elsif (!$say->{hang}) { push @later, [time + ($say->{delay} // 0), $socket, $say] }
        }
        my $now = time;
        for (grep { $_->[0] <= $now } @later) {
            my ($at, $socket, $say) = @$_;
            my $body = $say->{body} // '';
            my %headers = (Connection => 'close', 'Content-Length' => length $body, %{$say->{headers} || {}});
            syswrite $socket, join "\r\n", 'HTTP/1.1 ' . ($say->{status} // 200) . ' As scripted', (map { "$_: $headers{$_}" } sort keys %headers), '', $body;
            $all->remove($socket);
            close $socket;
        }
        @later = grep { $_->[0] > $now } @later;
    }
    return;
}

sub _request {
    my $bytes = shift;
    my ($method, $path, $head) = $bytes =~ m{\A(\S+) (\S+) HTTP/1\.1\r\n(.*?)\r\n\r\n}s or return undef;
    my %headers = map { /^([^:]+):\s*(.*)/ ? (lc $1 => $2) : () } split /\r\n/, $head;
    my $body = substr $bytes, index($bytes, "\r\n\r\n") + 4;
    return undef if length $body < ($headers{'content-length'} // 0);
    return {method => $method, path => $path, headers => \%headers, body64 => encode_base64($body, ''), at => time};
}

sub _next_answer {
    my ($file, $path, $times) = @_;
    open my $fh, '<', $file or return {};
    my $list = $json->decode(do { local $/; <$fh> })->{$path} || [];
    my $n = $times->{$path}++;
    return @$list ? $list->[$n < @$list ? $n : -1] : {};
}

1;
