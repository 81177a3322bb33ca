#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# Messages whose webhook never came, or could not be taken: they are fetched from Pancake when a daemon starts, and when the store has come back after a
# responder had to say "deferred", and answered once, as if nothing had been; what was answered before, by whomever, is not answered again.
# Each call of a sweep takes 1.2 s, whatever the machine, so there are few conversations: how many there may be is t/daemon/page_sweep.c's.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use Test::More;
use Time::HiRes qw(sleep time);
use Stack;
use Stack::Jobs;
use Stack::Pages;

my $absent = missing(qw(lighttpd redis postgres));
plan skip_all => "$absent is not installed" if $absent;
my $s;

# All of these ids come to be answered, each once, and nothing else is.
sub judge {
    my ($what, $seconds, @ids) = @_;
    ok(wait_for("$what: the replies", $seconds, sub { my $t = $s->answered_messages; !grep { !$t->{$_} } @ids }), "$what: all " . @ids . ' are answered');
    $s->quiet(2);
    my $times = $s->answered_messages;
    is(join(' ', grep { !$times->{$_} } @ids), '', "$what: none is missing");
    is(join(' ', grep { $times->{$_} != 1 } sort keys %$times), '', "$what: each once");
    my %wanted = map { $_ => 1 } @ids;
    is(join(' ', grep { !$wanted{$_} } sort keys %$times), '', "$what: no other");
    return;
}

# Both of these are lost. The question's id.
sub answered_by_a_person {
    my $conversation = shift;
    my $asked = $s->customer($conversation, 'hello');
    sleep 0.01; # nobody answers within a millisecond
    $s->staff($conversation, 'I see to it');
    return Stack::hook_id($asked);
}

sub is_the_persons {
    my ($conversation, $id) = @_;
    is(scalar(() = $s->page_replies($conversation)), 0, "$conversation: where a person has answered the bot does not");
    ok(wait_for("the fate of $id", 20, sub { ($s->turnkeeperctl(1, 'explain', $conversation, $id))[1] =~ /A person had answered it/ }), "$conversation: which it explains");
    return;
}

# Nothing is told but the first message; a daemon starts.
sub missed {
    my $first = $s->customer('known', 'hello');
    is($s->deliver($first)->status, 200, 'a message is told');
    judge('before', 20, Stack::hook_id($first));
    my $said = $s->people_say(messages => [
        (map { {page => 'p1', conversation_id => "missed$_", text => 'hello'} } 1 .. 2),
        {page => 'p1', conversation_id => 'known', text => 'and again'},
        {page => 'p1', conversation_id => 'post1_k1', type => 'COMMENT', post_id => 'p1_post1', text => 'a comment'}]);
    my @ids = (Stack::hook_id($first), @{$said->{ids}});
    my $staffed = answered_by_a_person('staffed');
    for my $n (1 .. $s->{daemons}) {
        kill 'TERM', $s->daemon($n)->pid;
        ok($s->daemon($n)->wait_end(bound(40)), "daemon $n goes");
    }
    $s->start_daemon($_) for 1 .. $s->{daemons};
    judge('when a daemon starts', 40, @ids);
    is_the_persons('staffed', $staffed);
    return @ids;
}

# The store is away while people write. What is fetched then has much in it that is known.
sub outage {
    my @ids = @_;
    $s->{redis}->kill9;
    my $said = $s->people_say(messages => [map { my $n = $_; map { {page => 'p1', conversation_id => "dark$n", text => "number $_"} } 1 .. 8 } 1 .. 3]);
    my @answers = $s->burst([map { $s->webhook($_) } @{$said->{webhooks}}], connections => 1);
    my $refused = grep { $_->status == 503 } @answers;
    my @deferred = grep { $_->status == 200 } @answers;
    is($refused + @deferred, 24, 'without the store a webhook is refused, or left for later') or diag(join ' ', map { $_->status } @answers);
    is($refused, 20, 'refused so often that Pancake does not switch the webhook off');
    ok(!(grep { !$_->json->{deferred} } @deferred), 'what is left for later says so') or diag($deferred[0]->text);
    my $staffed = answered_by_a_person('dark-staffed');
    $s->start_redis;
    judge('when the store is back', 60, @ids, @{$said->{ids}});
    is_the_persons('dark-staffed', $staffed);
    ok(wait_for('health', 30, sub { $s->deliver($s->customer('bright', 'hello'))->status == 200 }), 'webhooks are taken again');
    return;
}

$s = Stack->start_pages(store => 'redis', responders => 1, daemons => 2, double_pages => {limit => 60},
    env => {PANCAKE_CALLS_PER_SECOND => 60, STORE_FALLBACK => 'reject', PANCAKE_WEBHOOK_DEADLINE_MS => 500, AI_SERVICE_TIMEOUT => 15});
outage(missed());
is($s->page_stats->{limited}, 0, 'never too many calls');
is(join('', $s->leaks), '', 'no secret stands in a log');
$s->end_well;
done_testing;
