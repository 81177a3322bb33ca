#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# The table in src/settings.c is the truth about settings: environment.example and the README's tables say the same names and defaults.
use strict;
use warnings;
use FindBin;
use Test::More;

my $top = $ENV{top_srcdir} // "$FindBin::Bin/..";
sub slurp { open my $fh, '<', "$top/$_[0]" or die "$_[0]: $!"; local $/; return scalar <$fh> }

# {name => default}; undef for a default that is a path of configure
my ($table) = slurp('src/settings.c') =~ /\btable\[\] = \{(.*?)^\};/ms;
ok(defined $table, 'src/settings.c has its table') or BAIL_OUT('no table');
my (%default, @order);
while ($table =~ /^\s*(TEXT|NUMBER|YES_NO|CHOICE|SECRET)\("(\w+)",\s*\w+,\s*(?:"([^"]*)"|(\w+))/mg) {
    my ($kind, $name, $text) = ($1, $2, $3);
    push @order, $name;
    $default{$name} = $kind eq 'SECRET' ? '' : $text;
}
cmp_ok(scalar @order, '>', 50, 'with its settings');

my %example;
for my $line (split /\n/, slurp('environment.example')) {
    my ($name, $value) = $line =~ /^#?([A-Z][A-Z0-9_]+)=(.*)$/ or next;
    ok(!exists $example{$name}, "environment.example: $name stands there once");
    $example{$name} = $value;
}
is_deeply([sort keys %example], [sort @order], 'environment.example has every setting and no other');

my %readme;
for my $line (split /\n/, slurp('README.md')) {
    my ($name, $value) = $line =~ /^\| `([A-Z][A-Z0-9_]+)` \| (?:`([^`]*)`)? *\|/ or next;
    $readme{$name} = $value // '';
}
is_deeply([sort keys %readme], [sort @order], 'so have the tables of the README');

for my $name (grep { defined $default{$_} } @order) {
    (my $value = $example{$name} // '(missing)') =~ s/^(["'])(.*)\1$/$2/;
    is($value, $default{$name}, "environment.example: default of $name");
    is($readme{$name}, $default{$name}, "README: default of $name");
}
is(slurp('.env.example'), slurp('environment.example'), '.env.example is the same file');

done_testing;
