#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# docs/findings.md lists ten failures that others have shipped, each with the tests that replay it here. Every file and every test that it
# names must exist, so that a test which is renamed or removed is missed.
# In a line of the list a test is `t/path/file.t: name` (or a .c file of it), where the name is a subtest's title, a check's text, or a C or Perl function.
use strict;
use warnings;
use Cwd qw(abs_path);
use File::Basename qw(dirname);
use Test::More;

sub read_text {
    open my $in, '<', $_[0] or return undef;
    local $/;
    return scalar <$in>;
}

# The source of a test: t/turn/step.t is built from t/turn/step.c.
sub source_of {
    my ($root, $file) = @_;
    my $text = read_text("$root/$file");
    (my $c = $file) =~ s/\.t$/.c/;
    return -e "$root/$c" ? read_text("$root/$c") : $text;
}

# (finding numbers, what is wrong)
sub look {
    my ($root, $text) = @_;
    my (%tests, @wrong, $finding);
    for my $line (split /\n/, $text) {
        $finding = $1 if $line =~ /^## (\d+)\./;
        next if $line !~ /^\* /;
        while ($line =~ /`(t\/[\w\/.-]+\.[tc])(?:: ([^`]+))?`/g) {
            my ($file, $name) = ($1, $2);
            $tests{$finding}++ if defined $finding;
            my $source = source_of($root, $file);
            if    (!defined $source)                           { push @wrong, "$file does not exist" }
            elsif (!defined $name)                             { push @wrong, "$file: which test?" }
            elsif (index($source, $name) < 0)                  { push @wrong, "$file has no $name" }
        }
    }
    return (\%tests, @wrong);
}

my $root = abs_path(dirname(abs_path($0)) . '/..');
my $text = read_text("$root/docs/findings.md");
ok(defined $text, 'docs/findings.md is there') or do { done_testing; exit };
my ($tests, @wrong) = look($root, $text);
is("@wrong", '', 'every test that it names exists');
is(join(' ', sort { $a <=> $b } keys %$tests), join(' ', 1 .. 10), 'each of the ten findings names one');

my ($n, @bad) = look($root, "## 1. x\n* `t/turn/scenario.t: no_such_test` `t/turn/none.t: x` `t/turn/scenario.t`");
is(scalar @bad, 3, 'a missing test, a missing file and a missing name are found');
done_testing;
