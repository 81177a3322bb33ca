#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# The manual pages say what there is: each setting with its default, each command of the daemon, each option of the programs; and groff has
# nothing to say against them.
use strict;
use warnings;
use FindBin;
use Test::More;

my $top = $ENV{top_srcdir} // "$FindBin::Bin/..";
sub slurp { open my $fh, '<', "$top/$_[0]" or die "$_[0]: $!"; local $/; return scalar <$fh> }
sub plain { my $t = shift; $t =~ s/\\-/-/g; $t =~ s/\\f.//g; $t =~ s/\\e/\\/g; return $t }

# The page of settings, as make builds it.
open my $awk, '-|', 'awk', '-f', "$top/man/settings.awk", "$top/src/settings.c", "$top/man/turnkeeper.conf.5.in" or die "awk: $!";
my $page = do { local $/; <$awk> };
ok(close($awk), 'awk makes the page of settings');

my ($table) = slurp('src/settings.c') =~ /\btable\[\] = \{(.*?)^\};/ms;
my %default;
while ($table =~ /^\s*(TEXT|NUMBER|YES_NO|CHOICE|SECRET)\("(\w+)",\s*\w+,\s*(?:"([^"]*)"|(\w+))/mg) { $default{$2} = $1 eq 'SECRET' ? '' : $3 }
my %told;
while ($page =~ /^\.TP\n\.B (\S+)(?: = (.*))?$/mg) { $told{plain($1)} = plain($2 // '') }
cmp_ok(scalar keys %default, '>', 50, 'the table of settings');
is_deeply([sort keys %told], [sort keys %default], 'turnkeeper.conf(5) has each setting and no other');
is($told{$_}, $default{$_}, "its default: $_") for grep { defined $default{$_} } sort keys %default;
is($told{STATE_FILE}, '@localstatedir@/lib/turnkeeper/state.db', 'paths are those of configure');
unlike($page, qr/^\@SETTINGS\@$/m, 'the mark is gone');

# Commands of the daemon and of its client.
my ($commands) = slurp('src/daemon/command.c') =~ /struct command table\[\] = \{(.*?)^\};/ms;
my @names = $commands =~ /\{ "([A-Z ]+)"/g;
cmp_ok(scalar @names, '>', 20, 'the table of commands');
(my $ctl = plain(slurp('man/turnkeeperctl.1.in'))) =~ s/\\ / /g;
for my $name (map { lc } @names) {
    like($ctl, qr/^\.BR? ?I?.*\b\Q$name\E\b/m, "turnkeeperctl(1) has: $name") if $name ne 'retry' && $name ne 'discard';
    my $first = (split / /, $name)[0];
    like(slurp('src/turnkeeperctl.c'), qr/"\Q$first\E"/, "turnkeeperctl knows: $first");
    like(slurp('contrib/completion/turnkeeperctl'), qr/\b\Q$first\E\b/, "completion knows: $first");
    like(slurp('docs/daemon.md'), qr/`\Q@{[uc $name]}\E/, "docs/daemon.md has: $name");
}
like($ctl, qr/retry.*discard/, 'turnkeeperctl(1) has: retry, discard');
for my $page (qw(turnkeeperd.8 turnkeeper.fcgi.8)) {
    my $text = plain(slurp("man/$page.in"));
    my @long = slurp('src/program.c') =~ /\{ "([a-z]+)", (?:no|required)_argument/g;
    like($text, qr/--\Q$_\E\b/, "$page has --$_") for @long;
}

# What groff says about them.
SKIP: {
    my ($groff) = grep { -x } map { "$_/groff" } split /:/, $ENV{PATH};
    skip 'groff is not installed', 1 if !defined $groff;
    my %pages = ('turnkeeper.conf.5' => $page, map { $_ => slurp("man/$_.in") } qw(turnkeeperctl.1 turnkeeperd.8 turnkeeper.fcgi.8));
    my $complaints = sub {
        my $text = shift;
        require File::Temp;
        my $file = File::Temp->new;
        print $file $text;
        close $file;
        return scalar `$groff -man -ww -Tascii -z $file 2>&1`;
    };
    is($complaints->($pages{$_}), '', "$_: no warning") for sort keys %pages;
    isnt($complaints->(".TH X 1\n.SH NAME\nx\n.NOSUCH\n"), '', 'a bad page would be noticed');
}

done_testing;
