#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# Bursts: every message that was accepted is answered by exactly one reply, at no time are there two AI calls of one conversation, and the AI
# was shown every text. The double's ledger is the judge, not turnkeeper's own answers.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use List::Util qw(shuffle sum);
use Test::More;
use Stack;

my %expected = map { $_ => 1 } qw(completed locked restart_needed recorded processing queued);

# Sends them all; those that are refused for the moment (503 with Retry-After: a busy machine) once more under the same id, as platforms do.
# {outcome => how many}; fails for an answer that is neither 200 nor 202 with one of the statuses.
sub deliver {
    my ($s, $what, $requests, %o) = @_;
    my (%tally, @bad, @answers);
    for my $round (1 .. 5) {
        my @again;
        my @got = $s->burst($requests, %o);
        for my $i (0 .. $#got) {
            my $later = $got[$i]->status == 503 && $got[$i]->header('Retry-After') && $round < 5;
            $later ? push @again, $requests->[$i] : push @answers, $got[$i];
        }
        last if !@again;
        note(scalar(@again) . ' are refused for the moment');
        $requests = \@again;
    }
    for my $answer (@answers) {
        my $outcome = $answer->outcome;
        $tally{$outcome}++;
        push @bad, $answer if ($answer->status != 200 && $answer->status != 202) || !$expected{$outcome};
    }
    is(scalar @bad, 0, "$what: every message is accepted") or diag($bad[0]->text);
    note(join ', ', map { "$_ $tally{$_}" } sort keys %tally);
    return \%tally;
}

sub count_covered { my $c = shift; return sum(0, map { scalar keys %$_ } values %$c) }

# After all is answered: nothing twice, nothing missing, never two AI calls of a conversation.
sub judge {
    my ($s, $want, $seconds) = @_;
    ok(wait_for("$want covered messages", $seconds, sub { count_covered($s->covered_everywhere) >= $want }), "all $want messages are answered")
        or diag(count_covered($s->covered_everywhere) . ' are');
    my $covered = $s->covered_everywhere;
    is(count_covered($covered), $want, 'no other message is');
    is((grep { $_ != 1 } map { values %$_ } values %$covered), 0, 'each by exactly one reply');
    my $stats = $s->double_stats;
    is($stats->{ai_max_parallel_per_conversation}, 1, 'at no time two AI calls of one conversation');
    is($stats->{duplicate_messages}, 0, 'no message is covered twice');
    is($stats->{duplicate_keys}, 0, 'no turn is sent twice');
    is($stats->{fence_regressions}, 0, 'no fence goes back');
    return;
}

# 200 messages of one conversation at the same moment.
sub one_conversation {
    my $s = shift;
    $s->control(ai => {delay_ms => 300});
    my $tally = deliver($s, '200 at once', [map { $s->message('crowd', "m$_", "text number $_ of the burst") } 1 .. 200]);
    cmp_ok($tally->{completed} // 0, '<=', 20, 'they are answered together, not one by one');
    judge($s, 200, 60);
    my $ledger = $s->ledger('crowd');
    for my $reply (grep { $_->{applied} } @{$ledger->{platform}}) {
        my %shown = map { $_ => 1 } @{$reply->{ai_response}{entities}{message_ids}};
        is(scalar(grep { !$shown{$_} } @{$reply->{message_ids}}), 0, 'the AI was shown all that the reply covers');
        my %texts = map { $_ => 1 } @{$reply->{ai_response}{entities}{texts}};
        is(scalar(grep { my ($n) = /(\d+)/; !$texts{"text number $n of the burst"} } @{$reply->{message_ids}}), 0, 'with its text');
    }
    return;
}

# 1,000 conversations with 5 messages each, mixed, over four responders.
sub many_conversations {
    my $s = shift;
    $s->control(ai => {delay_ms => 20});
    srand 51;
    my @ids = shuffle map { my $c = $_; map { [$c, $_] } 1 .. 5 } 1 .. 1000;
    deliver($s, '5,000 in 1,000 conversations', [map { $s->message("c$_->[0]", "c$_->[0]m$_->[1]") } @ids], connections => 150);
    judge($s, 5000 + 200, 120);
    return;
}

for my $part (['sqlite', 'lighttpd'], ['redis', 'lighttpd'], ['redis', 'apache']) {
    my ($store, $web) = @$part;
    subtest "$store behind $web" => sub {
        my $absent = missing($web, $store eq 'redis' ? qw(redis postgres) : ());
        plan skip_all => "$absent is not installed" if $absent;
        my $s = Stack->start(web => $web, store => $store, responders => 4, daemons => 2);
        one_conversation($s);
        many_conversations($s) if $web eq 'lighttpd';
        if ($s->{postgres}) {
            my $want = $web eq 'lighttpd' ? 5200 : 200;
            ok(wait_for('the archive', 60, sub { ($s->psql_try('SELECT count(*) FROM messages') || [0])->[0] >= $want }), 'the archive gets all of them');
            is($s->psql('SELECT count(*), count(DISTINCT (conversation_id, message_id)) FROM messages'), "$want|$want", 'each once');
            is($s->psql('SELECT sum(total_messages) FROM conversations'), $want, 'and counts them');
        }
        $s->end_well;
    };
}

done_testing;
