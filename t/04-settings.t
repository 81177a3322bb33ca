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
my (%default, %reloads, @order);
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

my %readme_reloads;
my %readme;
for my $line (split /\n/, slurp('README.md')) {
    my ($name, $value) = $line =~ /^\| `([A-Z][A-Z0-9_]+)` \| (?:`([^`]*)`)? *\|/ or next;
    $readme{$name} = $value // '';
    ($readme_reloads{$name}) = $line =~ /^\|[^|]*\|[^|]*\| *(yes|) *\|/;
}
is_deeply([sort keys %readme], [sort @order], 'so have the tables of the README');

# a row ends where the next one begins
for my $row (split /^    (?=(?:TEXT|NUMBER|YES_NO|CHOICE|SECRET)\()/m, $table) {
    my ($name) = $row =~ /^\w+\("(\w+)"/ or next;
    $reloads{$name} = $row =~ /,\s*RELOADS\),\s*\z/ ? 'yes' : '';
}
is_deeply(\%readme_reloads, \%reloads, 'the README says the same about what reloads');
cmp_ok(scalar(grep { $_ } values %reloads), '>', 20, 'which is much');
ok(!$reloads{PROCESSING_LOCK_TTL}, 'but never the time of a lease');

for my $name (grep { defined $default{$_} } @order) {
    (my $value = $example{$name} // '(missing)') =~ s/^(["'])(.*)\1$/$2/;
    is($value, $default{$name}, "environment.example: default of $name");
    is($readme{$name}, $default{$name}, "README: default of $name");
}
is(slurp('.env.example'), slurp('environment.example'), '.env.example is the same file');

# The page API stands in for that address.
my ($url) = slurp('src/settings.h') =~ /^#define PANCAKE_URL_DEFAULT "(.*)"$/m;
is($url, $default{PANCAKE_BASE_URL}, 'PANCAKE_URL_DEFAULT is the default of PANCAKE_BASE_URL');

# What a bot may set for itself has the range that the default bot's has.
my ($bot) = slurp('src/turn/bot_row.c') =~ /\bbot_settings\[\] = \{(.*?)^\};/ms;
my %range = map { my ($n, $lo, $hi) = /^\s*NUMBER\("(\w+)", [\w.]+, "\d+", (\d+), (\d+),/; defined $n ? ($n => "$lo to $hi") : () } split /\n/, $table;
my %same = (ai_timeout => 'AI_SERVICE_TIMEOUT');
my $compared = 0;
while ($bot =~ /NUMBER\("(\w+)", (\d+), (\d+)\)/g) {
    my ($name, $range) = ($1, "$2 to $3");
    is($range, $range{$same{$name} // uc $name}, "a bot's $name: its range");
    $compared++;
}
cmp_ok($compared, '>', 7, 'which are many');
my ($core) = slurp('src/turn/bot_row.c') =~ /\bcore_settings\[\] = \{(.*?)^\};/ms;
my %core = map { /NUMBER\("(\w+)", (\d+), (\d+)\)/ ? ($1 => "$2 to $3") : () } split /\n/, $core;
is($core{retries}, $range{AI_SERVICE_RETRIES}, 'retries of an AI core');
is($core{delay_ms}, $range{AI_SIMULATED_DELAY_MS}, 'delay_ms of one that is simulated');

done_testing;
