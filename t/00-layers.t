#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# Includes point down:  mains -> api, daemon -> turn -> store, outside, archive -> lib.  api and daemon never meet, nor do
# store, outside and archive. A third-party header is known to its one place only.
# Usage: 00-layers.t [SOURCE-ROOT]. Without one the project is checked, and then bad samples, which must be found.
use strict;
use warnings;
use Cwd qw(abs_path);
use File::Basename qw(dirname);
use File::Find;
use File::Path qw(make_path);
use File::Temp qw(tempdir);
use Test::More;

my %below = (
    lib     => [],
    archive => ['lib'],
    outside => ['lib'],
    store   => ['lib'],
    turn    => [qw(store outside archive lib)],
    daemon  => [qw(turn store outside archive lib)],
    api     => [qw(turn store outside archive lib)],
    main    => [qw(api daemon turn store outside archive lib)],
);

# header => where it may be included, by how many files at most
my @third_party = (
    [qr{^uv\.h$},                qr{^lib/loop\.c$},           1],
    [qr{^jansson\.h$},           qr{^lib/json\.h$},           1],
    [qr{^openssl/},              qr{^(lib/(digest|jwt_key|jwt_pem)\.c|store/.*\.c)$}, 5],
    [qr{^hiredis/adapters/},     qr{^(?!)},                   0],
    [qr{^(hiredis/|hiredis\.h)}, qr{^store/.*\.c$},           2],
    [qr{^(postgresql/)?libpq},   qr{^archive/.*\.c$},         2],
    [qr{^curl/},                 qr{^outside/.*\.c$},         2],
    [qr{^sqlite3\.h$},           qr{^(store|archive)/},       3],
    [qr{^fcgi_stdio\.h$},        qr{^(?!)},                   0],
    [qr{^fcgi(app|os)?\.h$},     qr{^api/.*\.c$},             2],
    [qr{^cjose/},                qr{^lib/jwt_key\.c$},      1],
    [qr{^libwebsockets},         qr{^daemon/websocket_wire\.c$}, 1],
);

sub layer_of { return $_[0] =~ m{^([a-z]+)/} ? $1 : 'main' }

# Every breach below a source root, as text.
sub breaches {
    my ($root) = @_;
    my (@found, %users);
    my @files;
    find({ no_chdir => 1, wanted => sub { push @files, $_ if /\.[ch]$/ } }, $root);
    for my $path (sort @files) {
        my $file = substr $path, length($root) + 1;
        my $layer = layer_of($file);
        if (!$below{$layer}) {
            push @found, "$file: no such layer";
            next;
        }
        open my $in, '<', $path or die "$path: $!";
        while (my $line = <$in>) {
            $line =~ /^\s*#\s*include\s*([<"])([^>"]+)[>"]/ or next;
            my ($own, $header) = ($1 eq '"', $2);
            if ($own) {
                next if $header eq 'config.h' && $file =~ /\.c$/;
                my $to = layer_of($header);
                push @found, "$file:$.: \"$header\" is not written from the source root" if !-e "$root/$header";
                push @found, "$file:$.: \"$header\" points up or sideways" if $to ne $layer && !grep { $_ eq $to } @{ $below{$layer} };
                next;
            }
            for my $rule (@third_party) {
                next if $header !~ $rule->[0];
                push @found, "$file:$.: <$header> does not belong here" if $file !~ $rule->[1];
                $users{ $rule->[0] }{$file} = 1;
                last;
            }
        }
    }
    for my $rule (@third_party) {
        my @who = sort keys %{ $users{ $rule->[0] } || {} };
        push @found, "$rule->[0] is included by " . @who . " files: @who" if @who > $rule->[2];
    }
    return @found;
}

# A tree of file => text; its breaches.
sub breaches_of {
    my (%files) = @_;
    my $dir = tempdir(CLEANUP => 1);
    for my $file (keys %files) {
        make_path(dirname("$dir/$file"));
        open my $out, '>', "$dir/$file" or die "$file: $!";
        print $out $files{$file};
        close $out or die "$file: $!";
    }
    return breaches($dir);
}

my $root = abs_path($ARGV[0] || dirname(abs_path($0)) . '/../src');
my @found = breaches($root);
is(scalar @found, 0, 'includes point down') or diag(join "\n", @found);

if (!@ARGV) {
    my %h = map { ("$_/x.h" => "\n") } grep { $_ ne 'main' } keys %below;
    is(scalar breaches_of(%h, 'turn/y.c' => qq(#include "config.h"\n#include "store/x.h"\n#include "lib/x.h"\n#include "turn/x.h"\n)), 0,
        'a good sample passes');
    for my $bad (qw(lib>store store>turn store>archive archive>store outside>store store>outside turn>api api>daemon daemon>api)) {
        my ($from, $to) = split />/, $bad;
        is(scalar breaches_of(%h, "$from/y.c" => qq(#include "$to/x.h"\n)), 1, "found: $bad");
    }
    is(scalar breaches_of(%h, 'lib/y.c' => qq(#include "x.h"\n)), 2, 'found: a name that is not from the root');
    is(scalar breaches_of('misc/y.c' => "\n"), 1, 'found: a folder that is no layer');
    is(scalar breaches_of('lib/x.h' => qq(#include "config.h"\n)), 2, 'found: config.h in a header');
    for my $bad (qw(turn/y.c>uv.h turn/y.c>jansson.h api/y.c>openssl/sha.h turn/y.c>hiredis/hiredis.h store/y.c>hiredis/adapters/libuv.h
        store/y.c>libpq-fe.h daemon/y.c>libwebsockets.h daemon/y.c>uv.h turn/y.c>curl/curl.h turn/y.c>sqlite3.h daemon/y.c>fcgiapp.h api/y.c>fcgi_stdio.h)) {
        my ($file, $header) = split />/, $bad;
        cmp_ok(scalar breaches_of($file => "#include <$header>\n"), '>', 0, "found: <$header> in $file");
    }
    is(scalar breaches_of(map { ("store/$_.c" => "#include <hiredis/read.h>\n") } 1 .. 3), 1, 'found: too many files that know hiredis');
}
done_testing();
