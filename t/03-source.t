#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# Rules that a grep can check: calls that are not to be made, sizes of files and functions, how a file begins, and that the makefile
# knows every source (or it would be missing in a release).
# Usage: 03-source.t [PROJECT-ROOT]. Without one the project is checked, and then bad samples, which must be found.
use strict;
use warnings;
use Cwd qw(abs_path);
use File::Basename qw(dirname);
use File::Find;
use File::Path qw(make_path);
use File::Temp qw(tempdir);
use Test::More;

my $LINES_C = 600;
my $LINES_H = 250;
my $LINES_FUNCTION = 60;
# Time is asked for in one place, so that tests can set it.
my $CLOCK = 'time|gettimeofday|clock_gettime|ftime';
my $NEVER = 'sprintf|vsprintf|strcpy|stpcpy|strcat|strncat|gets|atoi|atol|atoll|atof|rand|srand|random|strtok|tmpnam|mktemp|alloca|system|asctime|ctime';

sub read_text {
    open my $in, '<', $_[0] or die "$_[0]: $!";
    local $/;
    my $text = <$in>;
    return defined $text ? $text : '';
}

# Comments and contents of literals become blanks; lines stay where they are.
sub code_of {
    my ($text) = @_;
    $text =~ s{(/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*')}{ (my $x = $1) =~ s/[^\n]/ /g; $x }gse;
    return $text;
}

sub check_code {
    my ($file, $code) = @_;
    my (@found, $begin);
    my $number = 0;
    for my $line (split /\n/, $code) {
        $number++;
        while ($line =~ /(?<![\w.>])($NEVER|$CLOCK)\s*\(/g) {
            my $call = $1;
            push @found, "$file:$number: $call()" if $call =~ /^($NEVER)$/ || $file ne 'src/lib/clock.c';
        }
        $begin = $number if $line =~ /^\{/;
        if ($line =~ /^\}/ && defined $begin) {
            my $size = $number - $begin + 1;
            push @found, "$file:$begin: a function of $size lines" if $size > $LINES_FUNCTION;
            undef $begin;
        }
    }
    return @found;
}

# Files of ours, by their bare names, that a comment speaks of. With a path they may be another project's.
sub named_in {
    my ($text) = @_;
    return map { /(?<![\w.\/-])(\w+\.c)\b/g } $text =~ m{/\*(.*?)\*/}gs;
}

sub breaches {
    my ($root) = @_;
    my (@found, @files);
    my $makefile = -e "$root/Makefile.am" ? read_text("$root/Makefile.am") : '';
    find({ no_chdir => 1, wanted => sub { push @files, $_ if /\.[ch]$/ } }, grep { -d } "$root/src", "$root/t");
    my %there = map { (s{.*/}{}r => 1) } @files;
    for my $path (sort @files) {
        my $file = substr $path, length($root) + 1;
        my $text = read_text($path);
        my $lines = ($text =~ tr/\n//);
        my $max = $file =~ /\.h$/ ? $LINES_H : $LINES_C;
        push @found, "$file: $lines lines" if $lines > $max;
        push @found, "$file: does not begin with its licence" if $text !~ m{\A/\* SPDX-License-Identifier: MIT\n};
        push @found, "$file: has a tab or a blank at a line's end" if $text =~ /\t|[ ]$/m;
        push @found, "$file: left to do" if $text =~ /\b(TODO|FIXME|XXX|HACK)\b/;
        push @found, map { "$file: there is no $_" } grep { !$there{$_} } named_in($text);
        next if $file !~ m{^src/};
        push @found, "$file: config.h is not its first include"
            if $file =~ /\.c$/ && (($text =~ /^#\s*include\s+(\S+)/m)[0] || '') ne '"config.h"';
        (my $guard = uc substr $file, 4) =~ s/[^A-Z0-9]/_/g;
        push @found, "$file: its guard is not $guard" if $file =~ /\.h$/ && $text !~ /^#ifndef \Q$guard\E\n#define \Q$guard\E\n/m;
        push @found, "$file: is not in Makefile.am" if $makefile !~ /(^|\s)\Q$file\E(\s|$)/m;
        push @found, check_code($file, code_of($text));
    }
    return @found;
}

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

my $root = abs_path($ARGV[0] || dirname(abs_path($0)) . '/..');
my @found = breaches($root);
is(scalar @found, 0, 'the sources keep the rules') or diag(join "\n", @found);

if (!@ARGV) {
    my $top = "/* SPDX-License-Identifier: MIT\n * x */\n#include \"config.h\"\n";
    my $made = "X = src/lib/x.c src/lib/x.h src/lib/clock.c\n";
    my $sample = sub { return scalar breaches_of('Makefile.am' => $made, "src/lib/$_[0]" => $_[1]) };
    is($sample->('x.c', "${top}/* gets( time( */\nvoid f(void)\n{\n    g(\"rand()\", x.time(1), p->time(2), lifetime(3), '\"');\n}\n"), 0,
        'a good sample passes');
    is($sample->('x.c', "${top}void f(void)\n{\n    $_(x);\n}\n"), 1, "found: $_()") for split /\|/, "$NEVER|$CLOCK";
    is($sample->('clock.c', "${top}void f(void)\n{\n    clock_gettime(x);\n}\n"), 0, 'but the clock may ask for the time');
    is($sample->('x.c', $top . "\n" x 600), 1, 'found: a long file');
    is($sample->('x.h', "/* SPDX-License-Identifier: MIT */\n#ifndef LIB_X_H\n#define LIB_X_H\n" . "\n" x 250), 2, 'found: a long header, and its top');
    is($sample->('x.c', "${top}void f(void)\n{\n" . "    x++;\n" x 60 . "}\n"), 1, 'found: a long function');
    is($sample->('x.c', "${top}/* TODO: more */\n"), 1, 'found: something left to do');
    is($sample->('x.c', "${top}/* See x.c, and lib/y.c of another one. */\n"), 0, 'a comment may name files');
    is($sample->('x.c', "${top}/* See y.c. */\n"), 1, 'found: one that is not there');
    is($sample->('x.c', "$top\tx\n"), 1, 'found: a tab');
    is($sample->('x.c', "#include \"config.h\"\n"), 1, 'found: no licence');
    is($sample->('x.c', "/* SPDX-License-Identifier: MIT\n */\n#include <stdio.h>\n#include \"config.h\"\n"), 1, 'found: config.h is late');
    is($sample->('x.h', "/* SPDX-License-Identifier: MIT\n */\n#ifndef X_H\n#define X_H\n#endif\n"), 1, 'found: another guard');
    is($sample->('y.c', $top), 1, 'found: a file that the makefile does not know');
}
done_testing();
