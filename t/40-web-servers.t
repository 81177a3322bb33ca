#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# The responder's HTTP side behind real web servers, in the ways in which they can be set up: buffered and streamed bodies, connections
# that are kept and that are not. Behind it stand doubles of the turn engine (t/lib/responder): nothing here needs a store.
# Usage: 40-web-servers.t [NAME...]: only these set-ups.
use strict;
use warnings;
use Cwd qw(abs_path);
use File::Basename qw(dirname);
use File::Temp qw(tempdir);
use IO::Socket::INET;
use IO::Socket::UNIX;
use Socket qw(SOCK_STREAM);
use Test::More;
use Time::HiRes qw(sleep time);
use lib dirname(abs_path($0)) . '/lib';
use Stack::Client;
use Stack::Process;

my $build = $ENV{top_builddir} ? abs_path($ENV{top_builddir}) : -x 't/lib/responder' ? abs_path('.') : dirname(abs_path($0)) . '/..';
my $A = '/api/v1/enhanced-handle-message';
my $message = '{"conversation_id":"c1","message_id":"m1","message_content":"hi","sender_id":"u1","sender_type":"user","timestamp":1}';
my %token = ('Authorization' => 'Bearer platform-token-1');

my $lighttpd = <<'EOT';
server.modules = ("mod_fastcgi")
server.bind = "127.0.0.1"
server.port = @port@
server.document-root = "@dir@"
server.upload-dirs = ("@dir@")
server.errorlog = "@dir@/error.log"
server.max-fds = 4096
server.listen-backlog = 1024
server.error-handler = "/refused"
server.http-parseopts = ("header-strict" => "enable", "url-normalize-required" => "enable", "url-path-2f-decode" => "disable")
fastcgi.server = ("/" => (("socket" => "@socket@", "check-local" => "disable")))
@more@
EOT

my $apache = <<'EOT';
ServerRoot "@dir@"
ServerName localhost
Listen 127.0.0.1:@port@
PidFile "@dir@/apache.pid"
DefaultRuntimeDir "@dir@"
ErrorLog "@dir@/error.log"
DocumentRoot "@dir@"
LoadModule mpm_event_module /usr/lib/apache2/modules/mod_mpm_event.so
LoadModule authz_core_module /usr/lib/apache2/modules/mod_authz_core.so
LoadModule proxy_module /usr/lib/apache2/modules/mod_proxy.so
LoadModule proxy_fcgi_module /usr/lib/apache2/modules/mod_proxy_fcgi.so
<IfModule unixd_module>
    User @user@
    Group @group@
</IfModule>
ServerLimit 8
ThreadsPerChild 64
MaxRequestWorkers 512
StartServers 2
AllowEncodedSlashes NoDecode
<Location "/">
    CGIPassAuth On
</Location>
ProxyPass "/" "unix:@socket@|fcgi://responder/" timeout=60 @more@
EOT

my $nginx = <<'EOT';
worker_processes 1;
daemon off;
pid @dir@/nginx.pid;
error_log @dir@/error.log;
user @user@ @group@;
events { worker_connections 4096; }
http {
    access_log off;
    client_max_body_size 8m;
    client_body_temp_path @dir@/body;
    fastcgi_temp_path @dir@/fastcgi;
    proxy_temp_path @dir@/proxy;
    uwsgi_temp_path @dir@/uwsgi;
    scgi_temp_path @dir@/scgi;
    upstream responder { server unix:@socket@; @upstream@ }
    server {
        listen 127.0.0.1:@port@ backlog=1024;
        location / {
            fastcgi_pass responder;
            fastcgi_param REQUEST_METHOD $request_method;
            fastcgi_param REQUEST_URI $request_uri;
            fastcgi_param CONTENT_TYPE $content_type;
            fastcgi_param CONTENT_LENGTH $content_length;
            @more@
        }
    }
}
EOT

my @setups = (
    {name => 'lighttpd', text => $lighttpd, program => 'lighttpd'},
    {name => 'lighttpd-streaming', text => $lighttpd, program => 'lighttpd', more => 'server.stream-request-body = 2', small_chunks_only => 1},
    {name => 'apache', text => $apache, program => 'apache2'},
    {name => 'apache-reuse', text => $apache, program => 'apache2', more => 'enablereuse=on', keeps => 1},
    {name => 'nginx', text => $nginx, program => 'nginx'},
    {name => 'nginx-streaming', text => $nginx, program => 'nginx', more => 'fastcgi_request_buffering off;'},
    {name => 'nginx-keep', text => $nginx, program => 'nginx', more => 'fastcgi_keep_conn on;', upstream => 'keepalive 8;', keeps => 1},
);

sub program {
    for my $dir (split(/:/, $ENV{PATH}), '/usr/sbin') { return "$dir/$_[0]" if -x "$dir/$_[0]" }
    return undef;
}

sub free_port {
    my $socket = IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => 0, Listen => 1) or die "no port: $!";
    return $socket->sockport;
}

sub wait_for {
    my ($seconds, $what) = @_;
    my $until = time + $seconds;
    while (time < $until) {
        return 1 if $what->();
        sleep 0.02;
    }
    return 0;
}

sub start {
    my ($setup) = @_;
    my $dir = tempdir('tk-web-XXXXXX', TMPDIR => 1, CLEANUP => !$ENV{KEEP});
    chmod 0755, $dir;
    my $socket = "$dir/fcgi.sock";
    my $listener = IO::Socket::UNIX->new(Local => $socket, Type => SOCK_STREAM, Listen => 1024) or die "$socket: $!";
    chmod 0666, $socket;
    my ($user, $group) = $< == 0 ? ('www-data', 'www-data') : (scalar getpwuid $<, scalar getgrgid $(+ 0);
    my %value = (port => free_port(), dir => $dir, socket => $socket, user => $user, group => $group,
        more => $setup->{more} // '', upstream => $setup->{upstream} // '');
    (my $text = $setup->{text}) =~ s/\@(\w+)\@/$value{$1}/g;
    open my $out, '>', "$dir/conf" or die "$dir/conf: $!";
    print {$out} $text;
    close $out or die "$dir/conf: $!";
    my %s = (dir => $dir, small_chunks_only => $setup->{small_chunks_only}, keeps => $setup->{keeps}, listener => $listener, client => Stack::Client->new(port => $value{port}, timeout => 30), port => $value{port});
    $s{responders} = [map { responder(\%s, $_) } 1, 2];
    my $program = program($setup->{program});
    $s{web} = Stack::Process->start(name => $setup->{name}, log => "$dir/web.log", command =>
        $setup->{program} eq 'lighttpd' ? [$program, '-D', '-f', "$dir/conf"]
        : $setup->{program} eq 'nginx' ? [$program, '-c', "$dir/conf"] : [$program, '-DFOREGROUND', '-f', "$dir/conf"]);
    wait_for(30, sub { $s{client}->request(path => '/health')->status == 200 }) or die "$setup->{name} does not come up\n" . join '', $s{web}->tail(20);
    return \%s;
}

sub responder {
    my ($s, $n) = @_;
    return Stack::Process->start(name => "responder$n", log => "$s->{dir}/responder$n.log", stdin => $s->{listener},
        command => ["$build/t/lib/responder", '--delay-ms', 300]);
}

# How many of the answers have another status.
sub others { my ($status, @answers) = @_; my @bad = grep { $_->status != $status } @answers; diag($_->text) for @bad[0 .. ($#bad > 2 ? 2 : $#bad)]; return scalar @bad }

sub single_requests {
    my ($s) = @_;
    my $c = $s->{client};
    my $answer = $c->request(path => '/health');
    is($answer->body, '{"status":"ok"}', 'GET');
    like($answer->header('X-Request-ID') // '', qr/^[0-9a-f-]{36}$/, 'a header of ours');
    is($c->request(method => 'HEAD', path => '/health')->status, 200, 'HEAD');
    $answer = $c->request(path => $A, headers => {%token, 'X-Request-ID' => 'r.1'}, json => Stack::Client->decode($message));
    is($answer->status, 200, 'POST with a credential') or diag($answer->text);
    is($answer->outcome, 'completed', 'its result');
    is($answer->header('X-Request-ID'), 'r.1', 'its request id');
    $answer = $c->request(path => $A, body => $message, headers => {'Content-Type' => 'application/json'});
    is($answer->status, 401, 'POST without one');
    is($answer->header('WWW-Authenticate'), 'Bearer', 'is told why');
    is($c->request(path => $A, body => $message, headers => {%token, 'Content-Type' => 'text/plain'})->status, 415, 'another type');
    is($c->request(path => $A, body => '{', headers => {%token, 'Content-Type' => 'application/json'})->status, 400, 'half a body');
    is($c->request(path => $A, body => '{}', headers => {%token, 'Content-Type' => 'application/json'})->status, 422, 'nothing in it');
    $answer = $c->request(path => $A, headers => {%token});
    is($answer->status, 405, 'GET where there is none');
    is($answer->header('Allow'), 'POST', 'what there is');
    is($c->request(path => '/nothing')->status, 404, 'nobody there');
    $answer = $c->request(path => '/api/v1/chat/jobs/a%2Fb%20c', headers => {%token});
    is($answer->body, '{"job_id":"a/b c"}', 'an encoded slash stays in its segment');
    is($c->request(path => '/api/v1/chat/jobs/unknown', headers => {%token})->status, 404, 'nothing there');
    $answer = $c->request(method => 'POST', path => '/admin/system/cleanup?max_age_hours=24', headers => {Authorization => 'Bearer admin-token-1'});
    is($answer->status, 200, 'a POST without a body and without its length') or diag($answer->text);
    $answer = $c->raw("POST $A HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer platform-token-1\r\nContent-Type: application/json\r\n"
            . "Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n" . join('', map { "1\r\n$_\r\n" } split //, $message) . "0\r\n\r\n");
    is($answer->status, 200, 'a chunked body') or diag($answer->text);
    return;
}

# The web server must deliver our answer although nobody reads what it forwards.
sub large_bodies {
    my ($s) = @_;
    my $body = '{"x":"' . 'y' x 900_000 . '"}';
    my %type = ('Content-Type' => 'application/json');
    my @refused = map { {path => $A, body => $body, headers => {%type}} } 1 .. 20;
    my @large = map { {path => $A, body => $body, headers => {%type, %token}} } 1 .. 20;
    my @lost = map { {path => '/nothing', body => $body, headers => {%type}} } 1 .. 20;
    is(others(401, $s->{client}->requests(\@refused, connections => 10)), 0, '900 KB without a credential: 401');
    is(others(413, $s->{client}->requests(\@large, connections => 10)), 0, '900 KB with one: 413');
    is(others(404, $s->{client}->requests(\@lost, connections => 10)), 0, '900 KB to nowhere: 404');
    my $chunks = join '', map { sprintf "%x\r\n%s\r\n", 50_000, 'y' x 50_000 } 1 .. 18;
    my $head = "POST $A HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n";
    my ($without, $with) = $s->{small_chunks_only} ? (411, 411) : (401, 413);
    is($s->{client}->raw("$head\r\n${chunks}0\r\n\r\n")->status, $without, "in chunks without a credential: $without");
    is($s->{client}->raw("${head}Authorization: Bearer platform-token-1\r\n\r\n${chunks}0\r\n\r\n")->status, $with, "in chunks with one: $with");
    return;
}

sub many {
    my ($s) = @_;
    my @mixed = map {
        $_ % 3 == 0 ? {path => '/health'}
            : $_ % 3 == 1 ? ($s->{keeps} ? {path => '/api/v1/chat/jobs/j1'} : {path => $A, body => $message, headers => {'Content-Type' => 'application/json'}})
            : {path => '/api/v1/chat/jobs/j1', headers => {%token}}
    } 0 .. 599;
    my @answers = $s->{client}->requests(\@mixed, connections => 12);
    my @status = map { $_ % 3 == 1 ? 401 : 200 } 0 .. 599;
    is(scalar(grep { $answers[$_]->status != $status[$_] } 0 .. 599), 0, '600 requests over 12 connections');
    my @parked = map { {path => $A, body => $message, headers => {%token, 'Content-Type' => 'application/json'}} } 1 .. 300;
    is(others(200, $s->{client}->requests(\@parked)), 0, '300 that wait at once');
    return;
}

# Bodies that stop half-way hold readers of the responder where the web server streams, and must hold nobody else.
sub slow_bodies {
    my ($s) = @_;
    my $length = length $message;
    my @slow = map {
        my $socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $s->{port}) or die "connect: $!";
        print {$socket} "POST $A HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer platform-token-1\r\nContent-Type: application/json\r\n",
            "Content-Length: $length\r\nConnection: close\r\n\r\n", substr $message, 0, 20;
        $socket->flush;
        $socket;
    } 1 .. 40;
    is(others(200, $s->{client}->requests([map { {path => '/health'} } 1 .. 50], connections => 5)), 0, 'served while 40 bodies do not come');
    my $good = 0;
    for my $socket (@slow) {
        print {$socket} substr $message, 20;
        $socket->flush;
    }
    for my $socket (@slow) {
        my $text = do { local $/; <$socket> };
        $good++ if $text =~ m{^HTTP/1.1 200 };
    }
    is($good, 40, 'they are served too, once they come');
    return;
}

sub draining {
    my ($s) = @_;
    my @requests = map { {path => $A, body => $message, headers => {%token, 'Content-Type' => 'application/json'}, after => $_ * 0.01} } 1 .. 120;
    my $seen = 0;
    my @answers = $s->{client}->requests(\@requests, connections => 60, each => sub { $s->{responders}[0]->signal('TERM') if ++$seen == 20 });
    is(others(200, @answers), 0, 'one responder of two leaves: nobody notices');
    ok($s->{responders}[0]->wait_end(20), 'it has left');
    is($s->{responders}[0]->status, 0, 'in peace');
    $s->{responders}[0] = responder($s, 3);
    return;
}

my %only = map { $_ => 1 } @ARGV;
for my $setup (@setups) {
    next if %only && !$only{$setup->{name}};
  SKIP: {
        skip "$setup->{program} is not installed", 1 if !program($setup->{program});
        subtest $setup->{name} => sub {
            my $s = start($setup);
            single_requests($s);
            # After a body that was not read, and when the responder leaves, it closes its connections; a web server that keeps them may just
            # then use one again, and answers 502 or 503 itself. That is why the shipped configurations do not keep them.
            large_bodies($s) if !$setup->{keeps};
            many($s);
            slow_bodies($s);
            draining($s) if !$setup->{keeps};
            is(scalar(grep { !$_->alive } @{$s->{responders}}), 0, 'the responders are well');
            Stack::Process::end_all();
        };
    }
}
done_testing();
