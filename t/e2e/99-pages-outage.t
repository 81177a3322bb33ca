#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# The page API is away for a while, each way in its turn: every call is cut before it is taken, then arrives and is cut, then is refused with 503. When it is back, what people
# see is what they would have seen without it: one reply each, whole and in order, and of none of them anybody has to say that nobody knows.
# CONVERSATIONS, PHASE_SECONDS change its size.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use Test::More;
use Time::HiRes qw(sleep);
use Stack;
use Stack::Pages;

my $absent = missing(qw(lighttpd redis postgres));
plan skip_all => "$absent is not installed" if $absent;

my $N = $ENV{CONVERSATIONS} || 18;
my $PHASE_S = $ENV{PHASE_SECONDS} || 3;
my ($true, $false) = (JSON::PP::true(), JSON::PP::false());
my @pages = qw(p1 p2 p3);
my $s = Stack->start_pages(store => 'redis', pages => \@pages, responders => 2, daemons => 2,
    env => {PROCESSING_LOCK_TTL => 5, BREAKER_OPEN_MS => 500, BREAKER_FAILURES => 3});
my %page = map { ("c$_" => $pages[$_ % @pages]) } 1 .. $N;
my %parts = map { ("c$_" => 1) } grep { $_ % 4 == 0 } 1 .. $N;
$s->control(conversation_id => $_, ai => {text => join "\n\n", map { "P$_ " . join ' ', ("part $_") x 150 } 1 .. 3}) for keys %parts;
$s->pages(webhook_url => "http://127.0.0.1:$s->{port}$Stack::WEBHOOKS", webhook_retries => 100, echo_times => 1, echo_delay_ms => 3000);

my @phases = ([{call => 'send', do => 'cut', store => $false}], [{call => 'send', do => 'cut', store => $true}, {call => 'read', do => 'cut'}],
    [{call => 'send', do => 'status', status => 503}, {call => 'read', do => 'status', status => 500}]);
$s->misbehave(@{$phases[0]});
my $said = $s->people_say(messages => [map { {conversation_id => "c$_", page => $page{"c$_"}, text => "hello from $_"} } 1 .. $N], times => 1, seed => 3,
    spread_ms => 1000 * $PHASE_S * @phases);
for my $phase (@phases) {
    $s->misbehave(@$phase);
    my $before = $s->page_stats->{sends};
    ok(wait_for('a send goes wrong', 60, sub { $s->page_stats->{sends} > $before }), 'it is tried: ' . $phase->[0]{do});
    sleep $PHASE_S;
}
my $d = $s->deliveries_done(60);
is($d && $d->{given_up}, 0, 'every webhook is taken') or diag($d && Stack::Client->encode($d));
$s->misbehave;

# "" when people see what they should.
sub wrong {
    my $conversation = shift;
    my @texts = map { $_->{text} } $s->page_replies($conversation);
    my $heads = join '', map { /^P(\d)/ ? $1 : 'x' } @texts;
    return $heads eq ($parts{$conversation} ? '123' : 'x') ? '' : "$conversation: $heads";
}
ok(wait_for('all replies', 150, sub { sleep 0.3; !grep { wrong($_) } keys %page }), 'everybody has the reply');
ok(wait_for('peace', 60, sub { $s->quiet(4, 'sends') eq '' }), 'then there is peace');
is(join(' ', map { wrong($_) || () } sort keys %page), '', 'one each, whole and in order');
my $ends = sub { join ' ', sort map { join '/', split /\|/ } @{$s->psql_try("SELECT DISTINCT status || '/' || coalesce(reason, '-') FROM messages WHERE sender_type = 'user'") || []} };
ok(wait_for('the archive', 30, sub { $ends->() eq 'completed/-' }), 'nobody has to say that nobody knows') or diag($ends->());
is($s->page_stats->{limited}, 0, 'no call was over the limit');
$s->end_well;
done_testing;
