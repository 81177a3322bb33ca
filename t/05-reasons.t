#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# Every reason has one name (src/turn/reason.h), is used, is explained in docs/reasons.md, and has a sentence of EXPLAIN's; no reason is written
# out anywhere else in src/turn, where nobody would miss it in the list.
# Usage: 05-reasons.t [PROJECT-ROOT].
use strict;
use warnings;
use Cwd qw(abs_path);
use File::Basename qw(dirname);
use Test::More;

my $root = $ARGV[0] // $ENV{top_srcdir} // abs_path(dirname(__FILE__) . '/..');

sub read_text {
    open my $in, '<', $_[0] or die "$_[0]: $!";
    local $/;
    my $text = <$in>;
    return defined $text ? $text : '';
}

my %value = read_text("$root/src/turn/reason.h") =~ /^#define (REASON_[A-Z_]+) "([a-z_]+)"$/mg;
cmp_ok(scalar keys %value, '>', 20, 'there are reasons');

my $docs = read_text("$root/docs/reasons.md");
my (%told, %rows);
while ($docs =~ /^\| `([a-z_]+)` \|([^|]*)\|([^|]*)\|([^|]*)\|$/mg) {
    $rows{$1}++;
    $told{$1} = 1 if !grep { !/\S/ } $2, $3, $4;
}

my %code = map { $_ => read_text($_) } grep { !/reason\.h$/ } glob("$root/src/turn/*.[ch]");
my $all = join "\n", values %code;
my %seen;
for my $name (sort keys %value) {
    my $word = $value{$name};
    ok($told{$word}, "$word is explained: where, what it means, what can be done");
    is($seen{$word}++ // 0, 0, "$word has one name");
    like($all, qr/\b$name\b/, "$name is used");
}
my $explain = read_text("$root/src/daemon/explain.c");
like($explain, qr/\b$_\b/, "EXPLAIN has a sentence about $value{$_}") for sort keys %value;
my %known = map { $_ => 1 } values %value;
is(join(' ', grep { !$known{$_} } sort keys %rows), '', 'nothing is explained that there is not');
is(join(' ', grep { $rows{$_} > 1 } sort keys %rows), '', 'nothing is explained twice');

# A literal where a reason belongs.
sub literals {
    my ($text) = @_;
    my @found;
    push @found, $1 while $text =~ /\breason = "([a-z_]+)"/g;
    push @found, $1 while $text =~ /\bstep_queue\([^;]*"([a-z_]+)"\s*\);/g;
    push @found, $1 while $text =~ /\bturn_ai_failed\([^;]*"([a-z_]+)"\s*\);/g;
    push @found, $1 while $text =~ /json_kstr\(&?o, "reason", SV\("([a-z_]+)"\)\)/g;
    return @found;
}
for my $file (sort keys %code) {
    (my $short = $file) =~ s{.*/src/}{src/};
    is(join(' ', literals($code{$file})), '', "$short writes out no reason");
}
is(join(' ', literals(qq{d->reason = "why"; step_queue(d, ev->now_ms, "later");})), 'why later', 'one that does would be found');

done_testing();
