#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# Everything at once: the page API goes wrong by chance in most conversations, sends and looks for them, its webhooks come twice, in any order and again when
# they are refused, its echoes come with them, and daemons and responders are killed with -9 meanwhile. The page can be reached again each time, so people see
# each reply, each piece of it once and in order; nothing ends as unknown or failed; and no page got more calls than it takes.
# SEED=n repeats a run's choices (not its timing). MESSAGES, KILLS, SECONDS change its size: MESSAGES=1500 KILLS=150 SECONDS=180.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use Test::More;
use Time::HiRes qw(sleep time);
use Stack;
use Stack::Pages;

# Of a hundred messages so many may have a reply of which nobody knows whether it arrived.
my $DOUBTS = 0;

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
    env => {PROCESSING_LOCK_TTL => 3, AI_SERVICE_TIMEOUT => 15, PANCAKE_TIMEOUT => 4, BREAKER_OPEN_MS => 1000});

my @deeds = (
    {do => 'hang'}, {do => 'hang', store => $false}, {do => 'cut'}, {do => 'cut', store => $false}, {do => 'half'}, {do => 'body', body => '<html>'}, {do => 'body', body => ''},
    {do => 'status', status => 500, store => $true}, {do => 'status', status => 502}, {do => 'status', status => 503}, {do => 'status', status => 429, retry_after => 1},
    {do => 'slow', slow_ms => 800}, {do => 'nothing', delay_ms => 900});
my @deeds_of_reads = (
    {do => 'status', status => 500}, {do => 'status', status => 503}, {do => 'status', status => 429, retry_after => 1}, {do => 'hang'}, {do => 'cut'}, {do => 'half'},
    {do => 'body', body => '<html>'}, {do => 'slow', slow_ms => 800});

# Conversations c1 .. cN with a fault in most, which comes twice in some. The double's AI answers with the words that it was shown, each of which is there
# once in the whole test: so no reply has the text of another. In every fifth conversation they are so many that a reply has several pieces.
my (@rules, @messages, %words);
my $conversations = int $MESSAGES / 2;
for my $n (1 .. $conversations) {
    my %of = (conversation_id => "c$n", page => $pages[$n % @pages]);
    push @rules, {call => 'send', %of, %{$deeds[rand @deeds]}, skip => int rand 2, times => 1 + int rand 2} if rand() < 0.7;
    push @rules, {call => 'read', %of, %{$deeds_of_reads[rand @deeds_of_reads]}, times => 1 + int rand 2} if rand() < 0.4;
    for my $m (1 .. 1 + int rand 3) {
        my @words = map { "c$n-$m-$_" } 1 .. ($n % 5 ? 3 : 300);
        push @{$words{"c$n"}}, join ' ', @words;
        push @messages, {%of, text => join "\n\n", map { join ' ', grep { defined } @words[$_ * 100 .. $_ * 100 + 99] } 0 .. $#words / 100};
    }
}
$s->control(ai => {delay_ms => 50});
$s->misbehave(@rules);
$s->pages(webhook_url => "http://127.0.0.1:$s->{port}$Stack::WEBHOOKS", webhook_retries => 100, echo_times => 1, echo_delay_ms => 1500); # some before it is looked for, some behind
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
is($d && $d->{given_up}, 0, 'every webhook is taken in the end') or diag(Stack::Client->encode($d));

# {message id => 1} of those of whose reply nobody can say whether it has arrived, says the archive.
sub unknown { return map { $_ => 1 } @{$s->psql_try("SELECT message_id FROM messages WHERE reason IN ('owner_lost', 'outcome_unknown')") || []} }

my %ids;
push @{$ids{$messages[$_]{conversation_id}}}, $said->{ids}[$_] for 0 .. $#messages;

# What is wrong with what people see of a conversation: "" when the words of each message are there once and in order. Of a reply that is given as unknown the
# first pieces may be there, all or none.
sub wrong {
    my ($conversation, %unknown) = @_;
    my (%seen, @wrong);
    for my $reply ($s->page_replies($conversation)) { push @{$seen{$2}}, $1 while $reply->{text} =~ /\b(c\d+-(\d+)-\d+)\b/g }
    for my $m (1 .. @{$ids{$conversation}}) {
        my ($want, $got) = ($words{$conversation}[$m - 1], join ' ', @{$seen{$m} || []});
        next if $got eq $want || $unknown{$ids{$conversation}[$m - 1]} && index("$want ", $got) == 0;
        push @wrong, sprintf '%s: %d of %d words', $ids{$conversation}[$m - 1], scalar(() = $got =~ /\S+/g), scalar(() = $want =~ /\S+/g);
    }
    return join ', ', @wrong;
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

# Messages and actions of which the archive does not know the end yet.
sub open_ends {
    my $n = $s->psql_try(q{SELECT (SELECT count(*) FROM messages WHERE status NOT IN ('received', 'processing')), (SELECT count(*) FROM message_actions WHERE status IN ('proposed', 'sending'))});
    return $n && $n->[0] =~ /^(\d+)\|(\d+)\z/ ? @{$said->{ids}} - $1 + $2 : 'the archive does not say how many';
}

my ($begin, %left) = (time, map { $_->{conversation_id} => 1 } @messages);
wait_for('all replies', 90 + $SECONDS, sub { sleep 0.3; my %unknown = unknown(); delete $left{$_} for grep { wrong($_, %unknown) eq '' } keys %left; !%left });
ok(wait_for('the end of each in the archive', 60, sub { sleep 0.1; open_ends() eq '0' }), 'then nothing is open') or diag(open_ends());
ok(wait_for('peace', 60, sub { $s->quiet(2.5, 'sends') eq '' }), 'and there is peace');
note(sprintf 'peace %.0f s after the last webhook', time - $begin);

my %unknown = unknown();
my %wrong = map { my $w = wrong($_, $DOUBTS ? %unknown : ()); $w ne '' ? ($_ => $w) : () } map { "c$_" } 1 .. $conversations;
is(join(', ', map { "$_ ($wrong{$_})" } sort keys %wrong), '', 'people see every answer once and in order');
my $in_doubt = keys %unknown;
my %in_doubt = map { $_ => 1 } $s->psql("SELECT conversation_id FROM messages WHERE reason IN ('owner_lost', 'outcome_unknown')");
cmp_ok($in_doubt, '<=', @{$said->{ids}} * $DOUBTS / 100, 'it is known of the replies whether they arrived');
known_of($_) for sort keys %{{%wrong, $DOUBTS ? () : %in_doubt}};
is(join(', ', $s->psql("SELECT status, reason, count(*) FROM messages WHERE status NOT IN ('completed', 'unknown') GROUP BY 1, 2")), '', 'and each is answered, says the archive');
is(join(', ', $s->psql("SELECT status, reason, count(*) FROM message_actions WHERE status NOT IN ('executed', 'withheld', 'unknown') GROUP BY 1, 2")), '', 'none was given up');
note("$in_doubt are in doubt");
my $stats = $s->page_stats;
is($stats->{limited}, 0, 'no call was over the limit');
# The calls of a page's busiest seconds, for whoever has to find out why.
for my $page (grep { $s->page_stats($_)->{max_in_second} > 5 } @pages) {
    my @calls = sort { $a->{at_us} <=> $b->{at_us} } $s->page_calls(page => $page);
    for my $i (grep { $_ >= 5 && $calls[$_]{at_us} - $calls[$_ - 5]{at_us} < 1_000_000 } 0 .. $#calls) {
        diag("== $page: " . join ' ', map { sprintf '%.3f:%s:%s:%s', ($_->{at_us} - $calls[0]{at_us}) / 1e6, @$_{qw(call status)}, $_->{conversation_id} // '-' } @calls[$i - 5 .. $i]);
    }
}
my %most = map { $_ => $s->page_stats($_)->{max_in_second} } @pages;
is(join(' ', map { "$_: $most{$_}" } grep { $most{$_} > 5 } @pages), '', 'never more than five calls of a page in any second');
note(sprintf '%d messages, %d sends, %d reads, %d webhooks', scalar @{$said->{ids}}, $stats->{sends}, $stats->{reads}, $d->{done});
is($s->double_stats->{fence_regressions}, 0, 'no fence went back');
# lighttpd itself names the query of a request whose responder died: README, "Webhooks of Pancake"
is(join('', grep { !/lighttpd\.log: .* response not received, request sent: / } $s->leaks), '', 'no secret stands in a log of ours');
$s->end_well;
diag("SEED=$SEED") if !Test::More->builder->is_passing;
done_testing;
