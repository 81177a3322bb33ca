#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# Server-sent events through real web servers, with the configurations of fcgi-conf/: each event leaves before the next one is made, clients
# that go are noticed, those that do not read cost nothing for long, and a responder that leaves ends its streams properly. Behind them
# stands t/lib/responder with its rooms (t/lib/stream_rig.h): nothing here needs a store.
# Usage: 41-streams.t [lighttpd] [apache] [nginx]
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use File::Temp qw(tempdir);
use Test::More;
use Time::HiRes qw(sleep time);
use Stack;
use Stack::Events;

my %token = (Authorization => 'Bearer platform-token-1');
my $keepalive_ms = 300;
my $many = 500;

sub responder {
    my ($s, $n) = @_;
    return $s->{"responder$n"} = Stack::Process->start(name => "responder $n", log => "$s->{dir}/logs/responder-$n.log", stdin => $s->{sockets}[0],
        limit => 4096, command => ["$Stack::build/t/lib/responder", '--keepalive-ms', $keepalive_ms, '--delay-ms', 200]);
}

my $nginx = <<'EOT';
daemon off;
worker_processes 1;
pid @rundir@/nginx.pid;
error_log @rundir@/logs/nginx.log;
user @user@ @group@;
events { worker_connections 4096; }
http {
    access_log off;
    client_body_temp_path @rundir@/upload/body;
    fastcgi_temp_path @rundir@/upload/fastcgi;
    proxy_temp_path @rundir@/upload/proxy;
    uwsgi_temp_path @rundir@/upload/uwsgi;
    scgi_temp_path @rundir@/upload/scgi;
    include @rundir@/turnkeeper.conf;
}
EOT
my $fastcgi_params = join '', map { "fastcgi_param $_ \$" . lc($_) . ";\n" } qw(REQUEST_METHOD REQUEST_URI CONTENT_TYPE CONTENT_LENGTH);

sub write_file {
    my ($path, $text) = @_;
    open my $out, '>', $path or die "$path: $!";
    print {$out} $text;
    close $out or die "$path: $!";
    return;
}

# There is no whole server for nginx in fcgi-conf/.
sub start_nginx {
    my ($s) = @_;
    my ($user, $group) = $< == 0 ? ('www-data', 'www-data') : (scalar getpwuid $<, scalar getgrgid $(+ 0);
    my %value = (rundir => $s->{dir}, user => $user, group => $group);
    (my $text = $nginx) =~ s/\@(\w+)\@/$value{$1}/g;
    write_file("$s->{dir}/nginx.conf", $text);
    write_file("$s->{dir}/fastcgi_params", $fastcgi_params);
    $s->_configure('nginx/turnkeeper.conf', "$s->{dir}/shipped", runstatedir => $s->{dir}, pkgdatadir => "$Stack::source/share");
    my $shipped = do { open my $in, '<', "$s->{dir}/shipped" or die "shipped: $!"; local $/; <$in> };
    $shipped =~ s{/etc/nginx/fastcgi_params}{$s->{dir}/fastcgi_params}g;
    $shipped =~ s/127\.0\.0\.1:8000/127.0.0.1:$s->{port}/ or die 'nginx listens elsewhere';
    write_file("$s->{dir}/turnkeeper.conf", $shipped);
    return Stack::Process->start(name => 'nginx', log => "$s->{dir}/logs/nginx.log", limit => 4096,
        command => [Stack::Servers::program('nginx'), '-c', "$s->{dir}/nginx.conf"]);
}

# A web server and one responder behind it. `more`: appended to the web server's configuration.
sub start {
    my ($web, $more) = @_;
    my $s = bless {web => $web, dir => tempdir('tk-XXXXXX', TMPDIR => 1, CLEANUP => 1), descriptors => 4096, responders => 1}, 'Stack';
    chmod 0755, $s->{dir};
    mkdir "$s->{dir}/$_" for qw(turnkeeper htdocs upload logs);
    $s->open_sockets;
    responder($s, 1);
    $s->{port} = Stack::free_port();
    $s->{more} = $more;
    $s->{web_process} = $web eq 'nginx' ? start_nginx($s) : $s->start_web($s->{port});
    $s->{client} = Stack::Client->new(port => $s->{port}, timeout => bound(60));
    wait_for('the first /health', 30, sub { $s->{client}->request(path => '/health')->status == 200 }) or BAIL_OUT($s->last_words(20));
    return $s;
}

sub stop {
    my ($s) = @_;
    $_->end for grep { defined } @{$s}{qw(web_process responder1 responder2)};
    my @complaints = $s->complaints;
    is(scalar(grep { /unexpected end-of-file/ } $s->{web_process}->tail(10_000)), 1,
        'only who was dropped for not reading is an error to the web server') if $s->{web} eq 'lighttpd';
    is("@complaints", '', 'no sanitizer complained');
    diag($s->last_words(10)) if !Test::More->builder->is_passing;
    return;
}

sub listen_in {
    my ($s, $room, %o) = @_;
    my $headers = {%token, %{delete $o{headers} || {}}};
    return Stack::Events->open(port => $s->{port}, path => "/api/v1/chat/sessions/$room/events", headers => $headers, %o);
}
sub act     { my ($s, $room, $what) = @_; return $s->{client}->request(method => 'POST', path => "/test/rooms/$room/$what")->json->{to} }
sub figures { my ($s) = @_; return $s->{client}->request(path => '/test/rooms')->json }

# Resident memory of a process and its children, KB.
sub memory {
    my ($pid) = @_;
    my $all = 0;
    for my $one ($pid, split ' ', `cat /proc/$pid/task/*/children 2>/dev/null`) {
        CORE::open my $in, '<', "/proc/$one/status" or next;
        while (<$in>) { $all += $1 if /^VmRSS:\s+(\d+)/ }
    }
    return $all;
}

sub one_by_one {
    my ($s) = @_;
    my $e = listen_in($s, 'a', headers => {'Last-Event-ID' => '41', 'Accept-Encoding' => 'gzip, deflate, br'});
    ok(wait_for('the first event', 20, sub { $e->events == 1 }), 'the first event comes while nothing else is made');
    is($e->status, 200, 'status');
    is($e->header('Content-Type'), 'text/event-stream', 'type');
    is($e->header('Cache-Control'), 'no-store', 'not to be kept');
    is($e->header('Content-Length'), undef, 'without a length');
    is($e->header('Content-Encoding'), undef, 'as it is');
    is_deeply($e->last, {id => $e->last->{id}, event => 'hello', data => '{"seen":"41"}'}, 'Last-Event-ID is passed on');
    for my $n (2 .. 6) {
        is(act($s, 'a', 'emit'), 1, 'the next one is made');
        ok(wait_for("event $n", 20, sub { $e->events == $n }), 'and comes before another is');
        is($e->last->{data}, "{\"n\":" . $e->last->{id} . '}', 'whole');
    }
    my $before = $e->comments;
    ok(wait_for('comments', 20, sub { $e->comments >= $before + 3 }), 'silence is broken by comments');
    act($s, 'a', 'end');
    ok(wait_for('the end', 20, sub { $e->ended }), 'the end is proper');
    $e->hang_up;
    my $head = $s->{client}->request(method => 'HEAD', path => '/api/v1/chat/sessions/a/events', headers => \%token);
    is($head->status, 200, 'HEAD');
    is($head->header('Content-Type'), 'text/event-stream', 'headers only');
    is($s->{client}->request(path => '/api/v1/chat/sessions/a/events')->status, 401, 'without a credential');
    return;
}

sub gone {
    my ($s) = @_;
    my $before = figures($s)->{gone};
    my $e = listen_in($s, 'g');
    ok(wait_for('the first event', 20, sub { $e->events == 1 }), 'a client listens');
    my $begin = time;
    $e->hang_up;
    ok(wait_for('gone', 20, sub { figures($s)->{gone} > $before }), 'and goes: this is noticed');
    note(sprintf 'after %.0f ms, keep-alives every %d ms', (time - $begin) * 1000, $keepalive_ms);
    my $body = '{"conversation_id":"c1","message_id":"m1","message_content":"hi","sender_id":"u1","sender_type":"user","timestamp":1}';
    my $post = "POST /api/v1/enhanced-handle-message HTTP/1.1\r\nHost: x\r\nAuthorization: $token{Authorization}\r\n"
        . "Content-Type: application/json\r\nContent-Length: " . length($body) . "\r\nConnection: close\r\n\r\n$body";
    is($s->{client}->raw($post, finish => $s->{web} ne 'nginx')->status, 200, 'who has closed only its half, and waits for an ordinary answer, gets it');
    return;
}

sub many_at_once {
    my ($s) = @_;
    my ($before, $gone) = (memory($s->{responder1}->pid), figures($s)->{gone});
    my @all = map { listen_in($s, 'm') } 1 .. $many;
    my $heard = sub { my ($n) = @_; return sub { scalar(grep { $_->events >= $n } @all) == $many } };
    ok(wait_for('all to listen', 60, $heard->(1)), "$many listen at once");
    my $each = (memory($s->{responder1}->pid) - $before) / $many;
    cmp_ok($each, '<', 48, sprintf 'at %.1f KB of the responder\'s memory each', $each);
    is($s->{client}->request(path => '/health')->status, 200, 'others are served');
    is(act($s, 'm', 'emit'), $many, 'an event is made');
    ok(wait_for('the event', 60, $heard->(2)), 'and all get it');
    my @cut = grep { $_->closed || $_->ended } @all;
    is(scalar @cut, 0, 'none was cut');
    $_->hang_up for @all;
    ok(wait_for('them to go', 60, sub { figures($s)->{gone} >= $gone + $many }), 'all go');
    return;
}

# 32 MB for somebody who reads nothing: what the sockets between do not hold may stay nowhere.
sub unread {
    my ($s) = @_;
    my $gone = figures($s)->{gone};
    my $e = listen_in($s, 'u', receive => 4096);
    my $other = listen_in($s, 'o');
    ok(wait_for('the stream', 20, sub { $other->events == 1 && figures($s)->{open} == 2 }), 'one listens and does not read');
    my ($responder, $web) = (memory($s->{responder1}->pid), memory($s->{web_process}->pid));
    my $floods = 0;
    $floods++ while $floods < 512 && act($s, 'u', 'flood');
    cmp_ok($floods, '<', 512, sprintf 'dropped after %.1f MB', $floods / 16);
    is(figures($s)->{gone}, $gone + 1, 'as one that has gone');
    cmp_ok(memory($s->{responder1}->pid) - $responder, '<', 4096, 'the responder keeps nothing');
    cmp_ok(memory($s->{web_process}->pid) - $web, '<', 16384, 'nor does the web server');
    is(act($s, 'o', 'emit'), 1, 'others listen');
    ok(wait_for('an event', 20, sub { $other->events == 2 }), 'and hear');
    ok(wait_for('the loss', 60, sub { $e->closed || $e->ended }), 'it comes to an end');
    ok(!$e->ended, 'which cannot be taken for a proper one') if $s->{web} ne 'nginx'; # nginx makes no difference, nor does an EventSource
    $_->hang_up for $e, $other;
    return;
}

sub draining {
    my ($s) = @_;
    my @all = map { listen_in($s, 'd') } 1 .. 50;
    my $heard = sub { my ($what) = @_; return sub { scalar(grep { $what->($_) } @all) == @all } };
    ok(wait_for('them to listen', 30, $heard->(sub { $_[0]->events == 1 })), 'the responder leaves while 50 listen');
    my $id = $all[0]->last->{id};
    responder($s, 2);
    my $begin = time;
    $s->{responder1}->signal('TERM');
    ok(wait_for('the ends', 30, $heard->(sub { $_[0]->ended })), 'all get a proper end');
    ok($s->{responder1}->wait_end(bound(10)), 'it has left');
    is($s->{responder1}->status, 0, 'in peace');
    cmp_ok(time - $begin, '<', bound(5), 'at once');
    my $e = listen_in($s, 'd', headers => {'Last-Event-ID' => $id});
    ok(wait_for('the next responder', 30, sub { $e->events == 1 }), 'who comes back is heard by another one');
    is($e->last->{data}, "{\"seen\":\"$id\"}", 'that knows where to go on');
    $e->hang_up;
    return;
}

my $compress = <<'EOT';
LoadModule filter_module /usr/lib/apache2/modules/mod_filter.so
LoadModule deflate_module /usr/lib/apache2/modules/mod_deflate.so
AddOutputFilterByType DEFLATE text/event-stream application/json
EOT

# Whatever a host compresses, streams are not held back.
sub compressing {
    my ($s) = @_;
    my $plain = $s->{client}->request(path => '/test/rooms', headers => {'Accept-Encoding' => 'gzip'});
    is($plain->header('Content-Encoding'), 'gzip', 'this server compresses');
    one_by_one($s);
    return;
}

my %only = map { $_ => 1 } @ARGV;
for my $web (qw(lighttpd apache nginx)) {
    next if %only && !$only{$web};
  SKIP: {
        skip "$web is not installed", 1 if missing($web);
        subtest $web => sub {
            my $s = start($web);
            one_by_one($s);
            gone($s);
            many_at_once($s);
            unread($s);
            draining($s);
            stop($s);
        };
        subtest 'apache, compressing' => sub {
            my $s = start($web, $compress);
            compressing($s);
            stop($s);
        } if $web eq 'apache';
    }
}
done_testing();
