#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# Two of the failures of docs/findings.md that have no better place: webhooks that wait for the AI and are then turned off by the platform,
# and "why did the bot not answer?", which nobody could say.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use List::Util qw(max min);
use Test::More;
use Time::HiRes qw(sleep time);
use Stack;

plan skip_all => 'lighttpd is not installed' if missing('lighttpd');

my %async = (headers => {Prefer => 'respond-async'});

# Sixty webhooks at once while the AI is slow: each is acknowledged before any AI call has ended.
subtest 'fast acknowledgement' => sub {
    my $s = Stack->start;
    $s->control(ai => {delay_ms => 4000});
    my @names = map { "w$_" } 1 .. 20;
    my @answers = $s->burst([map { my $c = $_; map { $s->message($c, "m$_", undef, %async, after => 0.05 * $_) } 1 .. 3 } @names], connections => 60);
    is(scalar(grep { $_->status != 202 && $_->status != 200 } @answers), 0, 'every webhook is acknowledged') or diag((grep { $_->status >= 300 } @answers)[0]->text);
    my $calls = $s->ledger->{ai};
    is(scalar(grep { $_->{ended} } @$calls), 0, 'while all AI calls still run');
    note(sprintf 'slowest: %.0f ms', 1000 * max map { $_->took } @answers);
    ok(wait_for('the replies', 40, sub { my $n = 0; for my $c (@names) { $n++ if keys %{$s->covered($c)} == 3 } return $n == @names }), 'and answered later');
    $s->control(ai => {delay_ms => 0, status => 503});
    is($s->post_message('gone', 'm1', undef, %async)->status, 202, 'so it is when the AI is away');
    $s->control(ai => {status => 200}, platform => {mode => 'hang'});
    is($s->post_message('hung', 'm1', undef, %async)->status, 202, 'and when the platform hangs');
    $s->end_well;
};

# ---- why did the bot not answer? ----

sub fate {
    my ($s, $conversation, $id) = @_;
    my $answer = $s->admin("/api/v1/admin/messages/$id?conversation_id=$conversation");
    return $answer->status == 200 ? $answer->json : {status => $answer->text, reason => ''};
}

sub begins { my ($s, $conversation) = @_; return wait_for('the AI call', 20, sub { @{$s->ledger($conversation)->{ai}} > 0 }) }
sub by_hand { my ($s, $conversation, $what) = @_; return $s->admin_post("/api/v1/admin/conversations/$conversation/$what") }

# [what, reason, code that leads to it and returns conversation and message]
my @silences = (
    ['a person writes', 'agent_message', sub { $_[0]->post_message('agent', 'm1', 'I am here', sender_type => 'agent'); ('agent', 'm1') }],
    ['an echo', 'own_message', sub { $_[0]->post_message('echo', 'm1', 'I said so', sender_type => 'bot'); ('echo', 'm1') }],
    ['a note of the system', 'system_message', sub { $_[0]->post_message('note', 'm1', 'joined', sender_type => 'system'); ('note', 'm1') }],
    ['a person has the conversation', 'bot_paused', sub { $_[0]->post_message('agent', 'm2'); ('agent', 'm2') }],
    ['a person takes it during the AI call', 'bot_paused', sub {
        my $s = shift;
        $s->control(conversation_id => 'taken', ai => {delay_ms => 700});
        my $answer = $s->background($s->message('taken', 'm1'));
        begins($s, 'taken');
        $s->post_message('taken', 'a1', 'mine', sender_type => 'agent');
        $answer->();
        return ('taken', 'm1');
    }],
    ['an administrator silences the bot', 'bot_paused', sub {
        my $s = shift;
        $s->post_message('silenced', 'm1');
        by_hand($s, 'silenced', 'pause');
        $s->post_message('silenced', 'm2');
        return ('silenced', 'm2');
    }],
    ['an administrator cancels', 'cancelled', sub {
        my $s = shift;
        $s->control(conversation_id => 'cancelled', ai => {delay_ms => 8000});
        my $answer = $s->background($s->message('cancelled', 'm1'));
        begins($s, 'cancelled');
        by_hand($s, 'cancelled', 'cancel');
        $answer->();
        return ('cancelled', 'm1');
    }],
    ['the platform refuses', 'platform_refused', sub {
        my $s = shift;
        $s->control(conversation_id => 'refused', platform => {mode => 'success_false'});
        $s->post_message('refused', 'm1');
        return ('refused', 'm1');
    }],
    ['nobody knows whether it arrived', 'outcome_unknown', sub {
        my $s = shift;
        $s->control(conversation_id => 'unknown', platform => {mode => 'cut_after_apply'});
        $s->post_message('unknown', 'm1');
        return ('unknown', 'm1');
    }],
    ['the AI says nothing', 'no_actions', sub {
        my $s = shift;
        $s->control(conversation_id => 'mute', ai => {text => ''});
        $s->post_message('mute', 'm1');
        return ('mute', 'm1');
    }],
    ['the AI refuses the question', 'ai_refused', sub {
        my $s = shift;
        $s->control(conversation_id => 'given-up', ai => {status => 400});
        my $again = $s->post_message('given-up', 'm1');
        return ('given-up', 'm1');
    }],
    ['the AI is away', 'ai_unreachable', sub {
        my $s = shift;
        $s->control(conversation_id => 'away', ai => {status => 503});
        $s->post_message('away', 'm1');
        return ('away', 'm1');
    }],
);

sub open_text { open my $fh, '<', $_[0] or return ''; local $/; return scalar <$fh> }

subtest 'every silence has a recorded reason' => sub {
    my $s = Stack->start(env => {JOB_MAX_ATTEMPTS => 1, AI_SERVICE_RETRIES => 0});
    my $documented = open_text("$Stack::source/docs/reasons.md");
    for my $case (@silences) {
        my ($what, $reason, $code) = @$case;
        my ($conversation, $id) = $code->($s);
        my $fate = wait_for("a reason: $what", 10, sub { my $f = fate($s, $conversation, $id); $f->{reason} && $f }) || fate($s, $conversation, $id);
        is($fate->{reason}, $reason, $what) or diag(Stack::Client->encode($fate));
        like($documented, qr/`\Q$reason\E`/, "docs/reasons.md explains $reason");
    }
    # a reply that was written and withheld, although the message was answered in the end
    $s->control(conversation_id => 'late', ai => {delay_ms => 700});
    my $answer = $s->background($s->message('late', 'm1'));
    begins($s, 'late');
    $s->post_message('late', 'm2');
    my $told = $answer->()->json->{result};
    wait_for('the reply', 20, sub { $s->replies('late') });
    is_deeply(fate($s, 'late', 'm1')->{superseded}, [$told->{turn_id}], 'a reply that was superseded');
    my $timeline = $s->admin('/api/v1/admin/conversations/late')->json->{timeline};
    is(scalar(grep { !length($_->{reason} // '') } @{$timeline || []}), 0, 'no message of a timeline is without a reason');
    $s->end_well;
};

done_testing;
