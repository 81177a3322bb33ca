#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# Everything at once: the page API goes wrong by chance in every conversation, its webhooks come twice, in any order and again when they are refused, its
# echoes come with them, and daemons and responders are killed with -9 meanwhile. What people see is the judge: each message is answered, but for those few
# whose reply the archive has as unknown; no piece of a reply is there twice, or out of order; and no page got more calls than it takes.
# SEED=n repeats a run's choices (not its timing). MESSAGES, KILLS, SECONDS change its size.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use Test::More;
use Time::HiRes qw(sleep time);
use Stack;
use Stack::Pages;

my $absent = missing(qw(lighttpd redis postgres));
plan skip_all => "$absent is not installed" if $absent;

my $SEED     = int($ENV{SEED} || time ^ $$);
my $MESSAGES = $ENV{MESSAGES} || 160;
my $KILLS    = $ENV{KILLS}    // 16;
my $SECONDS  = $ENV{SECONDS}  || 20;
my ($true, $false) = (JSON::PP::true(), JSON::PP::false());
note("SEED=$SEED");
srand $SEED;

my @pages = map { "p$_" } 1 .. 8;
my $s = Stack->start_pages(store => 'redis', pages => \@pages, responders => 4, daemons => 2,
    env => {PROCESSING_LOCK_TTL => 3, AI_SERVICE_TIMEOUT => 15});

my @deeds = (
    {do => 'hang'}, {do => 'hang', store => $false}, {do => 'cut'}, {do => 'cut', store => $false}, {do => 'half'}, {do => 'body', body => '<html>'}, {do => 'body', body => ''},
    {do => 'status', status => 500, store => $true}, {do => 'status', status => 502}, {do => 'status', status => 503}, {do => 'status', status => 429, retry_after => 1},
    {do => 'slow', slow_ms => 800}, {do => 'nothing', delay_ms => 900});

# Conversations c1 .. cN with a fault in most; in every fifth the replies have three parts.
my (@rules, @messages, %parts);
my $conversations = int $MESSAGES / 2;
for my $n (1 .. $conversations) {
    my %of = (conversation_id => "c$n", page => $pages[$n % @pages]);
    $parts{"c$n"} = 1 if $n % 5 == 0;
    push @rules, {call => 'send', %of, %{$deeds[rand @deeds]}, skip => int rand 2, times => 1 + int rand 2} if rand() < 0.7;
    push @rules, {call => 'read', %of, do => 'status', status => 500, times => 1} if rand() < 0.2;
    push @messages, {%of, text => "message $_ of c$n"} for 1 .. 1 + int rand 3;
}
$s->control(conversation_id => $_, ai => {text => join "\n\n", map { "P$_ " . join ' ', ("part $_") x 150 } 1 .. 3}) for keys %parts;
$s->control(ai => {delay_ms => 50});
$s->misbehave(@rules);
$s->pages(webhook_url => "http://127.0.0.1:$s->{port}$Stack::WEBHOOKS", webhook_retries => 100, echo_times => 1, echo_delay_ms => 40);
my $said = $s->people_say(messages => \@messages, times => 2, seed => 1 + $SEED % 1_000_000, spread_ms => 1000 * $SECONDS);

for (1 .. $KILLS) {
    sleep((0.5 + rand) * $SECONDS / $KILLS);
    my $n = 1 + int rand 6;
    my $p = $n <= 4 ? $s->responder($n) : $s->daemon($n - 4);
    ok($p->alive, $p->name . ' has not ended by itself');
    $p->kill9;
    $n <= 4 ? $s->start_responder($n) : $s->start_daemon($n - 4);
}
my $d = $s->deliveries_done(120);
is($d && $d->{given_up}, 0, 'every webhook is taken in the end') or diag($d && Stack::Client->encode($d));

# {message id => 1} of those of whose reply nobody can say whether it has arrived, says the archive.
sub unknown { return map { $_ => 1 } @{$s->psql_try("SELECT message_id FROM messages WHERE reason IN ('owner_lost', 'outcome_unknown')") || []} }

# What is wrong with what people see of a conversation: "" when each message is answered once, and each piece is there once and in order; of a reply that is
# marked as unknown all, some of the first pieces or nothing may be there.
sub wrong {
    my ($conversation, %unknown) = @_;
    my @texts = map { $_->{text} } $s->page_replies($conversation);
    my @ids = map { $_->{id} } grep { $_->{who} eq 'customer' } $s->seen($conversation);
    my @in_doubt = grep { $unknown{$_} } @ids;
    if ($parts{$conversation}) {
        my $heads = join '', map { /^P(\d)/ ? $1 : '?' } @texts;
        my $good = @in_doubt ? qr/^(?:123|12|1)*\z/ : qr/^(?:123)+\z/;
        my $halves = () = $heads =~ /1(?!23)/g;
        return $heads =~ $good && $halves <= @in_doubt ? '' : "pieces: $heads";
    }
    my %times;
    for my $text (@texts) { $times{$_}++ for $text =~ /\[(\S+?)\]/g }
    return join ' ', map { "$_: " . ($times{$_} // 0) } grep { my $n = $times{$_} // 0; $n > 1 || $n == 0 && !$unknown{$_} } @ids;
}

# All that is known of one, for whoever has to find out why.
sub known_of {
    my $conversation = shift;
    my @calls = $s->page_calls(conversation_id => $conversation);
    diag("== $conversation: " . Stack::Client->encode([grep { $_->{conversation_id} eq $conversation } @rules]));
    diag(sprintf '%7.2f to %6.2f: %s %s%s %s %s', map({ $_ ? ($_ - $calls[0]{at_us}) / 1e6 : 0 } @$_{qw(at_us end_us)}), @$_{qw(call status)}, $_->{closed_early} ? ' (left)' : '',
        $_->{id} // '-', substr $_->{text} // '', 0, 50) for @calls;
    diag("archive: $_") for @{$s->psql_try("SELECT message_id, sender_type, status, reason, turn_id FROM messages WHERE conversation_id = '$conversation' ORDER BY seq") || []};
    diag("actions: $_") for @{$s->psql_try("SELECT turn_id, status, reason, retry_count FROM message_actions WHERE conversation_id = '$conversation' ORDER BY created_at") || []};
    return;
}

my %left = map { $_->{conversation_id} => 1 } @messages;
wait_for('all replies', 90, sub { sleep 0.3; my %unknown = unknown(); delete $left{$_} for grep { wrong($_, %unknown) eq '' } keys %left; !%left });
ok(wait_for('peace', 60, sub { $s->quiet(4, 'sends') eq '' }), 'then there is peace');
my %unknown = unknown();
my %wrong = map { my $w = wrong($_, %unknown); $w ne '' ? ($_ => $w) : () } map { "c$_" } 1 .. $conversations;
is(join(', ', map { "$_ ($wrong{$_})" } sort keys %wrong), '', 'people see every answer once and in order');
known_of($_) for sort keys %wrong;
my $in_doubt = keys %unknown;
cmp_ok($in_doubt, '<=', $MESSAGES / 10, 'of few of them nobody knows');
note("$in_doubt are in doubt");
my $stats = $s->page_stats;
is($stats->{limited}, 0, 'no call was over the limit');
my %most = map { $_ => $s->page_stats($_)->{max_in_second} } @pages;
is(join(' ', map { "$_: $most{$_}" } grep { $most{$_} > 5 } @pages), '', 'never more than five calls of a page in any second');
note(sprintf '%d messages, %d sends, %d reads, %d webhooks', scalar @{$said->{ids}}, $stats->{sends}, $stats->{reads}, $d->{done});
is($s->double_stats->{fence_regressions}, 0, 'no fence went back');
is(join('', $s->leaks), '', 'no secret stands in a log');
$s->end_well;
diag("SEED=$SEED") if !Test::More->builder->is_passing;
done_testing;
