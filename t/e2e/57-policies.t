#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# What newer messages do to a running turn (ON_NEWER), quiet windows, bounds, and persons who take over.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use Test::More;
use Time::HiRes qw(sleep time);
use Stack;

# A turn of m1 whose AI call lasts `delay_ms` (those after it `then_ms`), and m2, m3 that come during it. Returns the three answers.
sub overtaken {
    my ($s, $conversation, $delay_ms, $then_ms) = @_;
    $s->control(conversation_id => $conversation, ai => {delay_ms => $delay_ms});
    my $first = $s->background($s->message($conversation, 'm1'));
    ok(wait_for('the AI call', 10, sub { @{$s->ledger($conversation)->{ai}} > 0 }), 'the AI is asked about m1');
    $s->control(conversation_id => $conversation, ai => {delay_ms => $then_ms}) if defined $then_ms;
    my @newer = map { $s->post_message($conversation, $_) } qw(m2 m3);
    return ($first->(), @newer);
}

sub all_covered_once {
    my ($s, $conversation, @ids) = @_;
    ok(wait_for('all replies', 30, sub { my $c = $s->covered($conversation); !grep { !$c->{$_} } @ids }), 'every message is answered');
    is_deeply($s->covered($conversation), {map { $_ => 1 } @ids}, 'once');
    return;
}

my %policies = (
    restart => sub {
        my $s = shift;
        my ($first, @newer) = overtaken($s, 'c', 1000);
        is($first->status, 200, 'HTTP status');
        is($first->outcome, 'restart_needed', 'restart_needed') or diag($first->text);
        my $result = $first->json->{result};
        is_deeply([sort map { $_->{message_id} } @{$result->{newer_messages}}], [qw(m2 m3)], 'newer_messages');
        like($result->{newer_messages}[0]{timestamp}, qr/^\d{10}/, 'with their time');
        ok(length $result->{current_result}{ai_response}{response_text}, 'current_result has the reply');
        is_deeply($result->{current_result}{pancake_result}, {status => 'withheld', reason => 'superseded', actions_executed => 0}, 'which is withheld');
        is($result->{restart}{attempt}, 1, 'the first restart');
        is($result->{restart}{max}, 3, 'of three');
        ok(length $result->{restart}{job_id}, 'and the job that answers');
        for my $n (0, 1) {
            is($newer[$n]->outcome, 'locked', 'a newer message is locked');
            is($newer[$n]->json->{result}{reason}, 'processing_in_progress', 'reason');
            is($newer[$n]->json->{result}{position}, $n + 1, 'position');
            is($newer[$n]->json->{result}{turn_id}, $result->{restart}{job_id}, 'turn_id is the job that answers') ;
        }
        all_covered_once($s, 'c', qw(m1 m2 m3));
        is(scalar(() = $s->replies('c')), 1, 'all together');
        is_deeply($s->ledger('c')->{ai}[-1]{message_ids}, [qw(m1 m2 m3)], 'and in order');
    },
    finish => sub {
        my $s = shift;
        my ($first, @newer) = overtaken($s, 'c', 1000);
        is($first->outcome, 'completed', 'the reply is sent') or diag($first->text);
        is($_->outcome, 'locked', 'newer messages wait') for @newer;
        all_covered_once($s, 'c', qw(m1 m2 m3));
        is(scalar(() = $s->replies('c')), 2, 'by a second turn');
    },
    interrupt => sub {
        my $s = shift;
        my $begin = time;
        my ($first, @newer) = overtaken($s, 'c', 20_000, 0); # m3 may come in time to begin the next turn itself
        is($first->outcome, 'restart_needed', 'restart_needed') or diag($first->text);
        cmp_ok(time - $begin, '<', 15, 'long before the AI would have answered');
        ok($s->ledger('c')->{ai}[0]{closed_early}, 'the AI call is aborted');
    },
    reject => sub {
        my $s = shift;
        my ($first, @newer) = overtaken($s, 'c', 1000);
        is($first->outcome, 'completed', 'the turn completes') or diag($first->text);
        for my $answer (@newer) {
            is($answer->status, 409, 'newer messages are rejected') or diag($answer->text);
            is($answer->json->{code}, 'turn_running', 'turn_running');
            like($answer->header('Retry-After') // '', qr/^\d+$/, 'Retry-After');
        }
        is($s->post_message('c', 'm2')->outcome, 'completed', 'and not remembered: a retry is answered');
        is_deeply($s->covered('c'), {m1 => 1, m2 => 1}, 'once');
    },
);

for my $policy (qw(restart finish interrupt reject)) {
    subtest "ON_NEWER=$policy" => sub {
        my $s = Stack->start(env => {ON_NEWER => $policy});
        $policies{$policy}->($s);
        $s->end_well;
    };
}

subtest 'a customer who writes for ever is answered' => sub {
    my $s = Stack->start(env => {RESTART_MAX => 2});
    $s->control(ai => {delay_ms => 500});
    my (@answers, $sent);
    my $until = time + bound(30);
    while (time < $until && !$s->replies('endless')) {
        push @answers, $s->background($s->message('endless', 'm' . ++$sent));
        sleep 0.1;
    }
    cmp_ok(scalar(() = $s->replies('endless')), '>=', 1, 'a reply goes out while messages keep coming') or diag("$sent messages");
    $_->() for @answers;
    my %want = map { ("m$_" => 1) } 1 .. $sent;
    ok(wait_for('the rest', 30, sub { keys %{$s->covered('endless')} == $sent }), 'and the rest is answered when the customer stops');
    is_deeply($s->covered('endless'), \%want, 'each once');
    $s->end_well;
};

subtest 'a quiet window makes a burst one answer' => sub {
    my $s = Stack->start(env => {DEBOUNCE_MS => 700, MAX_WAIT_MS => 5000});
    my @requests = map { $s->message('slow', "m$_", undef, after => 0.25 * ($_ - 1)) } 1 .. 5;
    my @answers = $s->burst(\@requests);
    is($answers[0]->outcome, 'completed', 'who opened the burst gets the answer') or diag($answers[0]->text);
    for my $answer (@answers[1 .. 4]) {
        is($answer->outcome, 'recorded', 'the others joined it') or diag($answer->text);
        is($answer->json->{result}{reason}, 'deferred', 'deferred');
    }
    all_covered_once($s, 'slow', map { "m$_" } 1 .. 5);
    is(@{$s->ledger('slow')->{ai}}, 1, 'one AI call');
    $s->end_well;
};

subtest 'the quiet window has an end' => sub {
    my $s = Stack->start(env => {DEBOUNCE_MS => 1500, MAX_WAIT_MS => 3000});
    my @answers = $s->burst([map { $s->message('capped', "m$_", undef, after => 0.5 * ($_ - 1)) } 1 .. 14]);
    is(scalar(grep { $_->status >= 400 } @answers), 0, 'every message is accepted');
    my $first = $s->ledger('capped')->{ai}[0];
    cmp_ok(scalar @{$first->{message_ids}}, '<', 14, 'the AI is asked before the customer stops writing');
    all_covered_once($s, 'capped', map { "m$_" } 1 .. 14);
    $s->end_well;
};

subtest 'persons and bots' => sub {
    my $s = Stack->start;
    my %reasons = (agent => 'agent_message', bot => 'own_message', system => 'system_message');
    for my $type (qw(system bot agent)) {
        my $answer = $s->post_message('person', "from-$type", "I am the $type", sender_type => $type, sender_id => "the-$type");
        is($answer->outcome, 'recorded', "$type: recorded") or diag($answer->text);
        is($answer->json->{result}{reason}, $reasons{$type}, "$type: reason");
    }
    my $answer = $s->post_message('person', 'm1', 'is this a person?');
    is($answer->outcome, 'recorded', 'after a person has written, the bot is silent');
    is($answer->json->{result}{reason}, 'bot_paused', 'bot_paused');
    is(@{$s->ledger('person')->{ai}}, 0, 'the AI is not asked');
    is($s->post_message('other', 'm1')->outcome, 'completed', 'other conversations go on');

    $s->control(conversation_id => 'transfer', ai => {actions => [{type => 'transfer_to_agent', data => {}}]});
    is($s->post_message('transfer', 'm1')->outcome, 'completed', 'a reply that transfers to a person');
    is($s->post_message('transfer', 'm2')->json->{result}{reason}, 'bot_paused', 'silences the bot');

    $s->control(conversation_id => 'end', ai => {actions => [{type => 'end_conversation', data => {}}]});
    is($s->post_message('end', 'm1')->outcome, 'completed', 'a reply that ends the conversation');
    $s->control(conversation_id => 'end', ai => {actions => undef});
    is($s->post_message('end', 'm2')->outcome, 'completed', 'the next message opens it again');
    cmp_ok($s->ledger('end')->{ai}[-1]{messages}, '>=', 3, 'with its context');
    $s->end_well;
};

subtest 'actions' => sub {
    my $s = Stack->start;
    my @valid = (
        {type => 'send_message', data => {message => 'hi'}},
        {type => 'send_quick_replies', data => {message => 'which?', quick_replies => ['a', 'b']}},
        {type => 'send_carousel', data => {elements => [{title => 't'}]}},
        {type => 'collect_info', data => {fields => ['phone']}},
        {type => 'execute_api', data => {name => 'book'}},
    );
    my @invalid = ({type => 'format_disk', data => {}}, {type => 'send_message', data => {}}, {type => 'send_carousel', data => {elements => 3}});
    $s->control(conversation_id => 'kinds', ai => {actions => [@valid, @invalid]});
    my $answer = $s->post_message('kinds', 'm1');
    is($answer->outcome, 'completed', 'completed') or diag($answer->text);
    is_deeply([map { $_->{type} } @{$s->ledger('kinds')->{platform}[0]{actions}}], [map { $_->{type} } @valid], 'valid actions are sent, others dropped');
    is($answer->json->{result}{pancake_result}{actions_executed}, 5, 'actions_executed');
    $s->control(conversation_id => 'block', ai => {
        text => qq(Of course.\n```json\n{"actions":[{"type":"send_message","data":{"message":"from the block"}}]}\n```\n)});
    my $block = $s->post_message('block', 'm1');
    is($s->ledger('block')->{platform}[0]{actions}[0]{data}{message}, 'from the block', 'a fenced block gives the actions') or diag($block->text);
    unlike($block->json->{result}{ai_response}{response_text}, qr/```/, 'and is cut out of the text');
    $s->end_well;
};

done_testing;
