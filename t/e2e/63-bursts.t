#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# A customer who sends a message every 300 ms for a minute while the AI takes a second, under each policy on each store (eight installations
# at the same time). Beside that, on the ones that restart: five rapid messages, and persons who take over. The same
# as t/turn/scenario.c, with real servers; judged by what the AI and the platform saw. Times are compared with the double's own AI calls.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use List::Util qw(max);
use Test::More;
use Time::HiRes qw(sleep time);
use Stack;

my $SECONDS = $ENV{TK_BURST_SECONDS} || 60;
my $EVERY   = 0.3;
my $RESTART_MAX = 3;

# ---- the customer ----

# Writes beside the test. The code reference that it returns gives [{id, status, outcome, done_ms}].
sub writer {
    my ($s, $conversation) = @_;
    my $pid = open(my $from_child, '-|') // die "fork: $!";
    if (!$pid) {
        my $begin = time;
        my @requests = map { $s->message($conversation, "m$_", undef, after => $EVERY * ($_ - 1), timestamp => $begin + $EVERY * $_) } 1 .. $SECONDS / $EVERY;
        my @answers = $s->burst(\@requests);
        my $n = 0;
        print Stack::Client->encode([map { {id => 'm' . ++$n, status => $_->status, outcome => $_->outcome, sent_ms => 1000 * $_->{sent_at}, done_ms => 1000 * $_->{done_at}, text => $_->text} } @answers]);
        close STDOUT;
        POSIX::_exit(0);
    }
    return sub {
        my $text = do { local $/; <$from_child> };
        close $from_child;
        return Stack::Client->decode($text);
    };
}

sub number { ($_[0] =~ /(\d+)/)[0] }
# None stands behind one that was sent only after it had been answered: two that are on their way at once may arrive in either order.
sub in_order {
    my ($messages, @ids) = @_;
    my @m = map { $messages->[number($_) - 1] } @ids;
    return !grep { $m[$_ - 1]{sent_ms} > $m[$_]{done_ms} } 1 .. $#m;
}

# ---- what must be true of it ----

sub judge {
    my ($s, $policy, $messages) = @_;
    my @accepted = grep { $_->{status} == 200 || $_->{status} == 202 } @$messages;
    my @rejected = grep { $_->{status} == 409 } @$messages;
    is(@accepted + @rejected, @$messages, 'every message is accepted or rejected') or diag((grep { $_->{status} !~ /^(200|202|409)$/ } @$messages)[0]{text});
    my %want = map { $_->{id} => 1 } @accepted;
    ok(wait_for('the last reply', 30, sub { keys %{$s->covered('endless')} >= keys %want }), 'every accepted message is answered');
    is_deeply($s->covered('endless'), \%want, 'by exactly one reply');
    my $ledger = $s->ledger('endless');
    my @calls = @{$ledger->{ai}};
    my @replies = grep { $_->{applied} } @{$ledger->{platform}};
    is(scalar(grep { !in_order($messages, @{$_->{message_ids}}) } @calls, @replies), 0, 'AI and platform always see the order of arrival');
    gaps(\@calls, \@replies);
    if ($policy eq 'restart' || $policy eq 'interrupt') { stale(\@accepted, \@calls, \@replies) }
    else { is(scalar @calls, scalar @replies, 'no AI call is in vain') }
    if ($policy eq 'reject') {
        my %seen = map { $_ => 1 } map { @{$_->{message_ids}} } @calls, @replies;
        cmp_ok(scalar @rejected, '>', 10, 'messages are rejected while a turn runs');
        is(scalar(grep { $seen{$_->{id}} } @rejected), 0, 'and have no effect');
    }
    else { is(scalar @rejected, 0, 'none is rejected') }
    if ($policy eq 'interrupt') { cmp_ok(scalar(grep { $_->{closed_early} } @calls), '>', @replies, 'overtaken AI calls are cut') }
    else { is($s->double_stats->{ai_max_parallel_per_conversation}, 1, 'never two AI calls of a conversation at once') }
    return;
}

sub begun_between { my ($calls, $after, $until) = @_; return scalar grep { $_->{start_ms} >= $after && $_->{start_ms} < $until } @$calls }

# Measured in AI calls: how many of them began, and how long they were at most.
sub gaps {
    my ($calls, $replies) = @_;
    my $longest = max map { $_->{end_ms} - $_->{start_ms} } @$calls;
    my ($last, $most, $widest) = ($calls->[0]{start_ms}, 0, 0);
    for my $reply (@$replies) {
        $most = max $most, begun_between($calls, $last, $reply->{start_ms});
        $widest = max $widest, $reply->{start_ms} - $last;
        $last = $reply->{start_ms};
    }
    cmp_ok($most, '<=', $RESTART_MAX + 1, 'no reply takes more than restart_max + 1 AI calls');
    cmp_ok($widest, '<=', ($RESTART_MAX + 2) * $longest, 'nor the time of one more');
    note(sprintf '%d AI calls, %d replies, widest gap %.1f s, longest AI call %.1f s', scalar @$calls, scalar @$replies, $widest / 1000, $longest / 1000);
    return;
}

# A message whose sender had his answer before the AI's answer was there, was accepted before the gate.
sub stale {
    my ($accepted, $calls, $replies) = @_;
    my ($last, %covered, @stale) = (0);
    for my $reply (@$replies) {
        $covered{$_} = 1 for @{$reply->{message_ids}};
        my $gate = max map { $_->{end_ms} } grep { !$_->{closed_early} && $_->{start_ms} < $reply->{start_ms} } @$calls;
        my @left_out = grep { $_->{done_ms} < $gate && !$covered{$_->{id}} } @$accepted;
        push @stale, $reply if @left_out && begun_between($calls, $last, $reply->{start_ms}) != $RESTART_MAX + 1;
        $last = $reply->{start_ms};
    }
    is(scalar @stale, 0, 'a reply leaves out what came before its gate only when the budget is spent');
    return;
}

# ---- meanwhile ----

sub asked { my ($s, $conversation) = @_; return wait_for("the AI call of $conversation", 20, sub { @{$s->ledger($conversation)->{ai}} > 0 }) }

sub five_rapid {
    my $s = shift;
    my $first = $s->background($s->message('five', 'm1'));
    ok(asked($s, 'five'), 'a turn runs');
    my @answers = map { $s->post_message('five', "m$_") } 2 .. 6;
    is(join(' ', map { $_->outcome } @answers), 'locked locked locked locked locked', 'five rapid messages are kept for the next turn');
    is(join(' ', map { $_->json->{result}{position} } @answers), '1 2 3 4 5', 'in order');
    is($first->()->outcome, 'restart_needed', 'the running turn gives way');
    ok(wait_for('the reply', 20, sub { $s->replies('five') }), 'one reply');
    my $ledger = $s->ledger('five');
    is_deeply($ledger->{ai}[-1]{message_ids}, [map { "m$_" } 1 .. 6], 'whose AI request held all of them in order');
    is(scalar @{$ledger->{ai}}, 2, 'in the second AI call, made by the daemon as one turn');
    is($ledger->{platform}[0]{turn_id}, $answers[4]->json->{result}{turn_id}, 'under the id that was promised');
    return;
}

sub silent_until { my ($s, $conversation) = @_; return $s->admin("/api/v1/admin/conversations/$conversation")->json->{check_reply_until} // 0 }

sub closed { my ($s, $conversation) = @_; return $s->admin("/api/v1/admin/conversations/$conversation")->json->{closed} ? 1 : 0 }

sub taken_over {
    my $s = shift;
    my $answer = $s->background($s->message('taken', 'm1'));
    ok(asked($s, 'taken'), 'a turn runs');
    is($s->post_message('taken', 'echo', 'an echo', sender_type => 'bot')->json->{result}{reason}, 'own_message', 'an own echo is recorded');
    is($s->post_message('taken', 'a1', 'I take this', sender_type => 'agent', sender_id => 'agent_7')->json->{result}{reason}, 'agent_message', 'a person writes');
    my $first = $answer->();
    is($first->outcome, 'recorded', 'the reply is not sent') or diag($first->text);
    is($first->json->{result}{reason}, 'bot_paused', 'because a person has taken over');
    is($s->post_message('taken', 'm2')->json->{result}{reason}, 'bot_paused', 'later messages are the person\'s');
    is(scalar(() = $s->replies('taken')), 0, 'nothing reached the platform');
    is(scalar @{$s->ledger('taken')->{ai}}, 1, 'the AI was asked once');

    my $until = silent_until($s, 'taken');
    cmp_ok($until, '>', time, 'the silence has an end');
    sleep 0.5;
    $s->post_message('taken', 'a2', 'still me', sender_type => 'agent', sender_id => 'agent_7');
    cmp_ok(silent_until($s, 'taken') - $until, '>=', 0.4, 'which every message of the person moves');
    is($s->admin_post('/api/v1/admin/conversations/taken/pause', {until => time + 1.5})->status, 200, 'its end comes near');
    is($s->post_message('taken', 'm3')->json->{result}{reason}, 'bot_paused', 'until then the bot is silent');
    my $n = 3;
    ok(wait_for('the bot', 20, sub { $s->post_message('taken', 'm' . ++$n)->outcome ne 'recorded' }), 'then it speaks again');
    ok(wait_for('the reply', 20, sub { $s->replies('taken') }), 'and answers');
    is_deeply($s->covered('taken'), {"m$n" => 1}, 'what came since, nothing of before');

    $answer = $s->background($s->message('echoed', 'm1'));
    asked($s, 'echoed');
    $s->post_message('echoed', 'echo', 'an echo', sender_type => 'bot');
    is($answer->()->outcome, 'completed', 'an echo during a turn restarts nothing');

    $s->control(conversation_id => 'handed', ai => {actions => [{type => 'transfer_to_agent', data => {}}]});
    $answer = $s->background($s->message('handed', 'm1'));
    asked($s, 'handed');
    is($s->post_message('handed', 'm2')->outcome, 'locked', 'a message during a turn that will transfer');
    is($answer->()->outcome, 'restart_needed', 'restarts it');
    ok(wait_for('the transfer', 20, sub { $s->replies('handed') }), 'the second one transfers');
    $s->control(conversation_id => 'over', ai => {actions => [{type => 'end_conversation', data => {}}]});
    is($s->post_message('over', 'm1')->outcome, 'completed', 'a reply that ends the conversation');
    is(closed($s, 'over'), 1, 'closes it');
    $s->control(conversation_id => 'over', ai => {actions => undef});
    is($s->post_message('over', 'm2')->outcome, 'completed', 'the next message is answered');
    is(closed($s, 'over'), 0, 'and has opened it again');

    ok(wait_for('the silence', 10, sub { ($s->post_message('handed', 'm3')->json->{result}{reason} // '') eq 'bot_paused' }), 'and silences the bot');
    return;
}

# ---- all of it ----

my @parts;
for my $store (qw(sqlite redis)) {
    next if missing('lighttpd', $store eq 'redis' ? 'redis' : ());
    for my $policy (qw(restart finish interrupt reject)) {
        my $s = Stack->start(store => $store, postgres => 0, env => {ON_NEWER => $policy, RESTART_MAX => $RESTART_MAX});
        $s->control(ai => {delay_ms => 1000});
        push @parts, {name => "$store, ON_NEWER=$policy", policy => $policy, stack => $s};
    }
}
plan skip_all => 'lighttpd is not installed' if !@parts;
$_->{writes} = writer($_->{stack}, 'endless') for @parts;
for my $part (grep { $_->{policy} eq 'restart' } @parts) {
    subtest "$part->{name}: five rapid messages" => sub { five_rapid($part->{stack}) };
    subtest "$part->{name}: persons" => sub { taken_over($part->{stack}) };
}
for my $part (@parts) {
    subtest "$part->{name}: a message every 300 ms for a minute" => sub {
        judge($part->{stack}, $part->{policy}, $part->{writes}->());
        $part->{stack}->end_well;
    };
}
done_testing;
