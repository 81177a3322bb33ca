# SPDX-License-Identifier: MIT
# One request to one responder, without a web server between: who asks at a socket of its own knows which process has answered. Speaks just
# enough FastCGI for that: a connection for each request, no multiplexing.
package Stack::Fcgi;
use strict;
use warnings;
use IO::Select;
use IO::Socket::UNIX;
use Stack::Client;
use Time::HiRes qw(time);

my ($BEGIN, $END, $PARAMS, $STDIN, $STDOUT) = (1, 3, 4, 5, 6);

sub _record { my ($type, $content) = @_; return pack('CCnnCC', 1, $type, 1, length $content, 0, 0) . $content }
sub _length { my $n = shift; return $n < 128 ? chr $n : pack 'N', $n | 0x80000000 }

sub _params {
    my %o = @_;
    my ($path, $query) = split /\?/, $o{path}, 2;
    my %params = (
        GATEWAY_INTERFACE => 'CGI/1.1', SERVER_PROTOCOL => 'HTTP/1.1', REMOTE_ADDR => '127.0.0.1', SERVER_NAME => 'localhost', SERVER_PORT => 80,
        REQUEST_METHOD => $o{method}, REQUEST_URI => $o{path}, SCRIPT_NAME => $path, QUERY_STRING => $query // '', CONTENT_LENGTH => length $o{body},
        CONTENT_TYPE => 'application/json',
    );
    for (keys %{$o{headers}}) { (my $name = uc "HTTP_$_") =~ tr/-/_/; $params{$name} = $o{headers}{$_} }
    return join '', map { _length(length) . _length(length $params{$_}) . $_ . $params{$_} } sort keys %params;
}

# request(socket => path, method, path, headers, json, timeout): a Stack::Answer.
sub request {
    my ($class, %o) = @_;
    my $body = defined $o{json} ? Stack::Client->encode($o{json}) : '';
    my $sent_at = time;
    my $peer = IO::Socket::UNIX->new(Peer => $o{socket}) or die "$o{socket}: $!";
    my $params = _params(method => $o{method} // (length $body ? 'POST' : 'GET'), path => $o{path}, headers => $o{headers} // {}, body => $body);
    my @parts = map { [$STDIN, $_] } unpack '(a60000)*', $body;
    print {$peer} _record($BEGIN, pack 'nCx5', 1, 0), map { _record(@$_) } [$PARAMS, $params], [$PARAMS, ''], @parts, [$STDIN, ''];
    $peer->flush;
    my ($in, $out, $ended, $until) = ('', '', 0, $sent_at + ($o{timeout} // 60));
    while (!$ended && IO::Select->new($peer)->can_read($until - time)) {
        sysread $peer, $in, 65536, length $in or last;
        while (length $in >= 8) {
            my (undef, $type, undef, $n, $padding) = unpack 'CCnnC', $in;
            last if length $in < 8 + $n + $padding;
            $out .= substr $in, 8, $n if $type == $STDOUT;
            $ended ||= $type == $END;
            substr $in, 0, 8 + $n + $padding, '';
        }
    }
    my ($head, $text) = split /\r\n\r\n/, $out, 2;
    my %answer = (status => $ended && ($head // '') =~ /^Status: (\d+)/m ? $1 : $ended ? 200 : 0, headers => {}, body => $text // '', sent_at => $sent_at, done_at => time);
    $answer{error} = 'no whole answer' if !$ended;
    return bless \%answer, 'Stack::Answer';
}

1;
