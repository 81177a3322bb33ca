#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# Interrupt and cancel reach the process that runs the turn, whichever it is: every request that interrupts or cancels goes to another
# responder than the message that opened the turn (one web server for each socket sees to that). The double says when its connection was
# closed. Then 200 cancels race the gate: a cancelled turn never sends, one that could not be cancelled has sent.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use List::Util qw(max);
use Test::More;
use Time::HiRes qw(sleep time);
use Stack;

my $TRIES = 20;
my $RACES = $ENV{RACES} || 200;
my $LIMIT_MS = 200;

# A web server that knows one socket only: what is sent to it reaches responders n and n + 2.
sub only_socket {
    my ($s, $n) = @_;
    my $dir = "$s->{dir}/only-$n";
    for my $d ($dir, map { "$dir/$_" } qw(turnkeeper htdocs upload logs)) { mkdir $d or die "$d: $!"; chmod 0755, $d }
    symlink "$s->{dir}/turnkeeper/fcgi-$n.sock", "$dir/turnkeeper/fcgi-$_.sock" for 1, 2;
    Stack::_owned_by('www-data', "$dir/upload") if $< == 0;
    my $port = Stack::free_port();
    my $process = do { local $s->{dir} = $dir; $s->start_web($port, "lighttpd-$n") };
    my $client = Stack::Client->new(port => $port, timeout => bound(90));
    wait_for("the web server of socket $n", 20, sub { $client->request(path => '/health')->status == 200 }) or die 'it does not come up';
    return {client => $client, process => $process};
}

sub through {
    my ($s, $web, $code) = @_;
    local $s->{client} = $web->{client};
    return $code->();
}

sub cancel_request {
    my ($s, $conversation) = @_;
    return {method => 'POST', path => "/api/v1/admin/conversations/$conversation/cancel", headers => $s->admin_headers, json => {}};
}

sub call_of { my ($s, $conversation) = @_; return $s->ledger($conversation)->{ai}[0] }

# Begins a turn through one web server, lets `code` end it through the other. Milliseconds from its answer to the moment at which the double saw
# the AI call's connection closed; undef: not closed.
sub cut_after {
    my ($s, $webs, $conversation, $code) = @_;
    $s->control(conversation_id => $conversation, ai => {delay_ms => 20_000});
    my $first = through($s, $webs->[0], sub { $s->background($s->message($conversation, 'm1')) });
    wait_for('the AI call', 20, sub { call_of($s, $conversation) }) or return (undef, $first->());
    $s->control(conversation_id => $conversation, ai => {delay_ms => 0});
    my $answer = through($s, $webs->[1], $code);
    my $call = wait_for('the end of the AI call', 10, sub { my $c = call_of($s, $conversation); $c->{ended} && $c });
    my $ms = $call && $call->{closed_early} ? $call->{end_ms} - 1000 * $answer->{done_at} : undef;
    return ($ms, $first->(), $answer);
}

sub judge_times {
    my ($what, @ms) = @_;
    my @cut = sort { $a <=> $b } grep { defined } @ms;
    is(scalar @cut, scalar @ms, "$what: every AI call is cut");
    my @in_time = grep { $_ <= $LIMIT_MS } @cut;
    note(sprintf '%s: median %.0f ms, slowest %.0f ms', $what, $cut[@cut / 2], $cut[-1]) if @cut;
    cmp_ok(scalar @in_time, '>=', @ms - 1, "$what: within $LIMIT_MS ms, but for one at most") or diag("@cut");
    cmp_ok($cut[@cut / 2], '<=', $LIMIT_MS, "$what: the median too") if @cut;
    return;
}

sub interrupts {
    my ($s, $webs) = @_;
    my (@ms, %first, %second);
    for my $n (1 .. $TRIES) {
        my ($ms, $first, $answer) = cut_after($s, $webs, "i$n", sub { $s->post_message("i$n", 'm2') });
        push @ms, $ms;
        last if !defined $ms;
        $first{$first->outcome}++;
        $second{$answer->outcome}++ if $answer;
    }
    judge_times('interrupt', @ms);
    is_deeply(\%first, {restart_needed => $TRIES}, 'the first client is told');
    is_deeply(\%second, {locked => $TRIES}, 'the second one waits for the next turn');
    my $both = sub { scalar grep { my $c = $s->covered("i$_"); ($c->{m1} // 0) == 1 && ($c->{m2} // 0) == 1 } 1 .. $TRIES };
    ok(wait_for('the replies', 20, sub { $both->() == $TRIES }), 'one reply answers both');
    return;
}

sub cancels {
    my ($s, $webs) = @_;
    my (@ms, %first, @wrong);
    for my $n (1 .. $TRIES) {
        my ($ms, $first, $answer) = cut_after($s, $webs, "c$n", sub { $s->client->request(%{cancel_request($s, "c$n")}) });
        push @ms, $ms;
        last if !defined $ms; # each further one would take as long as the AI
        $first{$first->outcome}++;
        my $j = $answer && $answer->json;
        push @wrong, $answer if !$j || !$j->{cancelled} || ($j->{turn_id} // '') ne $first->json->{result}{turn_id} || "@{$j->{messages} || []}" ne 'm1';
    }
    judge_times('cancel', @ms);
    is(scalar @wrong, 0, 'cancel says which turn it ended, and its messages') or diag($wrong[0] ? $wrong[0]->text : 'no answer');
    is_deeply(\%first, {cancelled => $TRIES}, 'the waiting client is told');
    is(scalar(() = $s->replies("c$_")), 0, "nothing is sent (c$_)") for 1, $TRIES;
    my $next = $s->post_message('c1', 'm2');
    is($next->outcome, 'completed', 'the next message starts at once') or diag($next->text);
    is_deeply($s->ledger('c1')->{ai}[-1]{message_ids}, ['m1', 'm2'], 'with the cancelled one as context');
    is_deeply($s->covered('c1'), {m2 => 1}, 'its reply answers it alone');
    my $again = $s->post_message('c1', 'm1');
    is($again->outcome, 'cancelled', 'a duplicate of a cancelled message stays cancelled') or diag($again->text);
    my $idle = $s->client->request(%{cancel_request($s, 'c1')});
    is($idle->status, 200, 'an idle conversation');
    ok($idle->json && !$idle->json->{cancelled}, 'has nothing to cancel') or diag($idle->text);
    is($s->client->request(%{cancel_request($s, 'nobody')})->status, 404, 'an unknown one is unknown');
    return;
}

# The cancel comes at any moment around the gate: from a little before the AI's answer to a little after the reply.
sub races {
    my $s = shift;
    srand 64;
    $s->control(platform => {delay_ms => 15});
    my @plan;
    for my $n (1 .. $RACES) {
        my ($delay_ms, $at) = (int rand 50, 0.03 * $n);
        $s->control(conversation_id => "r$n", ai => {delay_ms => $delay_ms});
        push @plan, {n => $n, at => $at, request => $s->message("r$n", 'm1')}, {n => $n, at => $at + max(0.002, ($delay_ms + rand(40) - 15) / 1000), cancels => 1, request => cancel_request($s, "r$n")};
    }
    @plan = sort { $a->{at} <=> $b->{at} } @plan;
    my @answers = $s->burst([map { {%{$_->{request}}, after => $_->{at}} } @plan]);
    my (%tally, @resurrected, @denied, @strange);
    for my $k (grep { $plan[$_]{cancels} } 0 .. $#plan) {
        my ($name, $answer) = ("r$plan[$k]{n}", $answers[$k]);
        my $j = $answer->json || {};
        my $what = $answer->status == 200 ? ($j->{cancelled} ? 'cancelled' : 'idle') : $answer->status == 409 ? $j->{code} : $answer->status;
        $tally{$what}++;
        push @strange, $answer if $what !~ /^(cancelled|idle|too_late|404)$/;
        if ($what eq 'cancelled') {
            push @resurrected, $name if grep { $_->{turn_id} eq $j->{turn_id} } @{$s->ledger($name)->{platform}};
        }
        else { # then the turn was before it or comes after it, and has its reply
            my $sent = wait_for("the reply of $name", 20, sub { $s->replies($name) });
            push @denied, $name if !$sent;
        }
    }
    note(join ', ', map { "$_ $tally{$_}" } sort keys %tally);
    is(scalar @strange, 0, 'every cancel is answered as it should be') or diag($strange[0]->text);
    cmp_ok($tally{cancelled} // 0, '>', 0, 'some were cancelled');
    cmp_ok($tally{too_late} // 0, '>', 0, 'some came too late');
    is("@resurrected", '', 'a cancelled turn never sends');
    is("@denied", '', 'one that was not cancelled has sent');
    my @clients = grep { !$plan[$_]{cancels} && $answers[$_]->outcome !~ /^(completed|cancelled)$/ } 0 .. $#plan;
    is(scalar @clients, 0, 'every client is told what became of his message') or diag($answers[$clients[0]]->text);
    is($s->double_stats->{duplicate_messages}, 0, 'none is answered twice');
    return;
}

for my $store (qw(sqlite redis)) {
    subtest $store => sub {
        my $absent = missing('lighttpd', $store eq 'redis' ? 'redis' : ());
        plan skip_all => "$absent is not installed" if $absent;
        my $s = Stack->start(store => $store, postgres => 0, responders => 4, env => {ON_NEWER => 'interrupt'});
        my $webs = [map { only_socket($s, $_) } 1, 2];
        subtest 'interrupt' => sub { interrupts($s, $webs) };
        subtest 'cancel' => sub { cancels($s, $webs) };
        subtest "$RACES races" => sub { races($s) };
        $_->{process}->end for @$webs;
        $s->end_well;
    };
}

done_testing;
