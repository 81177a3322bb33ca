#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# Messages whose webhook never came, or could not be taken: they are fetched from Pancake when a daemon starts, when the store has come back, and when a
# responder had to say "deferred", and answered once, as if nothing had been; what was answered before is not answered again.
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
my $s;

# All of these ids come to be answered, each once, and nothing else is.
sub judge {
    my ($what, $seconds, @ids) = @_;
    ok(wait_for("$what: the replies", $seconds, sub { my $t = $s->answered_messages; !grep { !$t->{$_} } @ids }), "$what: all " . @ids . ' are answered');
    $s->quiet(3);
    my $times = $s->answered_messages;
    is(join(' ', grep { !$times->{$_} } @ids), '', "$what: none is missing");
    is(join(' ', grep { $times->{$_} != 1 } sort keys %$times), '', "$what: each once");
    my %wanted = map { $_ => 1 } @ids;
    is(join(' ', grep { !$wanted{$_} } sort keys %$times), '', "$what: no other");
    return;
}

sub restart_daemons {
    for my $n (1 .. $s->{daemons}) {
        kill 'TERM', $s->daemon($n)->pid;
        ok($s->daemon($n)->wait_end(bound(40)), "daemon $n goes");
    }
    $s->start_daemon($_) for 1 .. $s->{daemons};
    return;
}

sub missed {
    my ($first) = $s->customer('known', 'hello');
    $s->deliver($first);
    my @ids = (Stack::hook_id($first));
    judge('before', 20, @ids);
    # 65 conversations are more than one list, 35 messages more than one read
    my $said = $s->people_say(messages => [
        (map { {page => 'p1', conversation_id => "missed$_", text => 'hello'} } 1 .. 65),
        (map { {page => 'p1', conversation_id => 'much', text => "number $_"} } 1 .. 35),
        {page => 'p1', conversation_id => 'known', text => 'and again'},
        {page => 'p1', conversation_id => 'post1_k1', type => 'COMMENT', post_id => 'p1_post1', text => 'a comment'}]);
    push @ids, @{$said->{ids}};
    $s->customer('staffed', 'hello');
    $s->staff('staffed', 'I see to it');
    restart_daemons();
    judge('when a daemon starts', 120, @ids);
    is(scalar(() = $s->page_replies('staffed')), 0, 'where a person has answered the bot does not');
    is(scalar(() = grep { $_->{call} eq 'list' && $_->{status} == 200 } $s->page_calls(page => 'p1')) >= 2, 1, 'the list was read to its end');
    is($s->page_stats->{limited}, 0, 'within the limit');
    # and again: everything is known
    my $replies = $s->page_stats->{sends};
    restart_daemons();
    ok(wait_for('another sweep', 60, sub { (grep { $_->{call} eq 'list' } $s->page_calls(page => 'p1')) >= 3 }), 'the next start looks again');
    judge('a second time', 5, @ids);
    is($s->page_stats->{sends}, $replies, 'and sends nothing');
    return @ids;
}

sub outage {
    my @ids = @_;
    $s->{redis}->kill9;
    my $said = $s->people_say(messages => [map { {page => 'p1', conversation_id => "dark$_", text => 'hello'} } 1 .. 40]);
    my @answers = $s->burst([map { $s->webhook($_) } @{$said->{webhooks}}], connections => 1);
    my $refused = grep { $_->status == 503 } @answers;
    my @deferred = grep { $_->status == 200 } @answers;
    is($refused + @deferred, 40, 'without the store a webhook is refused, or left for later') or diag(join ' ', map { $_->status } @answers);
    cmp_ok($refused, '<=', 20 * $s->{responders}, 'refused so often that Pancake does not switch the webhook off');
    ok(!(grep { !$_->json->{deferred} } @deferred), 'what is left for later says so') or diag($deferred[0]->text);
    push @ids, @{$said->{ids}};
    $s->start_redis;
    judge('when the store is back', 120, @ids);
    ok(wait_for('health', 30, sub { $s->deliver($s->customer('bright', 'hello'))->status == 200 }), 'webhooks are taken again');
    return;
}

$s = Stack->start_pages(store => 'redis', responders => 1, daemons => 2, double_pages => {limit => 60},
    env => {PANCAKE_CALLS_PER_SECOND => 60, STORE_FALLBACK => 'reject', PANCAKE_WEBHOOK_DEADLINE_MS => 500, AI_SERVICE_TIMEOUT => 15});
outage(missed());
is(join('', $s->leaks), '', 'no secret stands in a log');
$s->end_well;
done_testing;
