#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# AI_PROVIDER=openai against a service that others have written (t/npm/README), through the whole stack: a plain answer, calls of tools, a call that is
# wrong at first, and an answer that is streamed to those who listen, by A, B and C.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use JSON::PP ();
use Test::More;
use Time::HiRes qw(sleep time);
use Stack;
use Stack::ChatMock;
use Stack::Sessions;
use Stack::WebSocket;

for my $absent (missing(qw(lighttpd redis-server))) { plan skip_all => "$absent is not installed" if $absent }
if (my $why = Stack::ChatMock->absent) { plan skip_all => $why }

my $STORY = join ' ', 'Once upon a time', map({ "there was the teller of story number $_," } 1 .. 6), 'and that is all.';
sub call { my ($name, %arguments) = @_; return {name => $name, arguments => Stack::Client->encode(\%arguments)} }

my $mock = Stack::ChatMock->start(
    {match => {userMessage => 'opening hours'}, response => {content => 'We open at nine.'}},
    {match => {userMessage => 'which size'},
        response => {content => 'Let me ask.', toolCalls => [call('send_quick_replies', message => 'Which size?', quick_replies => [qw(S M L)])]}},
    {match => {userMessage => 'a person'}, response => {toolCalls => [call('send_message', message => 'One moment.'), call('transfer_to_agent', reason => 'asked for one')]}},
    {match => {userMessage => 'carousel', hasToolResult => JSON::PP::false}, response => {toolCalls => [call('send_carousel', cards => [])]}},
    {match => {userMessage => 'carousel', hasToolResult => JSON::PP::true}, response => {toolCalls => [call('send_carousel', elements => [{title => 'A red one'}])]}},
    {match => {userMessage => 'a story'}, response => {content => $STORY}, chunkSize => 8, latency => 60},
    {match => {userMessage => 'refused'}, response => {error => {message => 'no such model', type => 'invalid_request_error', code => 'model_not_found'}, status => 404}},
);
my $s;

my $with_ws = `"$Stack::build/turnkeeperd" -V` !~ /without WebSockets/;

sub begin {
    my %o = @_;
    my $s = Stack->start(%o, env => {AI_PROVIDER => 'openai', AI_SERVICE_URL => $mock->url, AI_SERVICE_TOKEN => 'sk-of-the-test', AI_MODEL => 'mock-1',
        AI_SYSTEM_PROMPT => 'You sell shoes.'});
    wait_for('the WebSocket socket', 20, sub { -S "$s->{dir}/turnkeeper/ws.sock" }) or BAIL_OUT('the daemon does not listen') if $with_ws;
    return $s;
}
sub types { return join ' ', map { $_->{type} // $_->{action} // '?' } @{$_[0] // []} }

# A: one request, one answer, with the fields that a caller knows.
sub plain {
    my $answer = $s->post_message('plain', 'm1', 'What are your opening hours?');
    is($answer->status, 200, 'it is answered') or diag($answer->text);
    my $result = $answer->json->{result};
    is($result->{status}, 'completed', 'completed') or diag($answer->text);
    my $response = $result->{ai_response};
    is($response->{response_text}, 'We open at nine.', 'with the text of the service');
    is($response->{finish_reason}, 'stop', 'which has come to its end');
    like($response->{model_used} // '', qr/^mock-1/, 'by the model that was asked');
    ok(defined $response->{$_}, "the answer has $_") for qw(processing_time_ms usage);
    cmp_ok($response->{usage}{total_tokens} // 0, '>', 0, 'what it has cost');
    is(types($result->{extracted_actions}), 'send_message', 'one action');
    my @replies = $s->replies('plain');
    is(scalar @replies, 1, 'the platform has one reply');
    is($replies[0]{ai_response}{response_text}, 'We open at nine.', 'with this text');

    my ($asked, @more) = $mock->asked('opening hours');
    is(scalar @more, 0, 'it was asked once');
    ok(!$asked->{stream}, 'for the whole: nobody listens');
    is($asked->{model}, 'mock-1', 'of this model');
    is($asked->{messages}[0]{role}, 'system', 'the instructions come first');
    like($asked->{messages}[0]{content}, qr/^You sell shoes\./, 'as they are set');
    is_deeply([@{$asked->{messages}[-1]}{qw(role content)}], ['user', 'What are your opening hours?'], 'what is to be answered comes last');
    is(join(' ', sort map { $_->{function}{name} } @{$asked->{tools}}),
        'collect_info end_conversation execute_api send_carousel send_message send_quick_replies transfer_to_agent', 'each action is a tool');
    $s->post_message('plain', 'm2', 'And again, the opening hours?');
    my $second = ($mock->asked('And again'))[0];
    is_deeply([map { $_->{role} } @{$second->{messages}}], [qw(system user assistant user)], 'the next question has what was said before');
    return;
}

sub tools {
    my $answer = $s->post_message('tools', 'm1', 'I do not know which size I need');
    my $result = $answer->json->{result};
    is($result->{status}, 'completed', 'an answer that calls a tool') or diag($answer->text);
    is(types($result->{extracted_actions}), 'send_message send_quick_replies', 'is a text and an action');
    my ($reply) = $s->replies('tools');
    is(types($reply->{actions}), 'send_message send_quick_replies', 'for the platform, too');
    is_deeply($reply->{actions}[1]{data}, {message => 'Which size?', quick_replies => [qw(S M L)]}, 'with the arguments as its data');
    is($result->{ai_response}{finish_reason}, 'tool_calls', 'the service says that it called tools');

    $answer = $s->post_message('wrong', 'm1', 'show me a carousel');
    is($answer->json->{result}{status}, 'completed', 'a call that is wrong at first') or diag($answer->text);
    is(types($answer->json->{result}{extracted_actions}), 'send_carousel', 'is made right');
    my @asked = $mock->asked('carousel');
    is(scalar @asked, 2, 'in a second round');
    is_deeply([map { $_->{role} } @{$asked[1]{messages}}[-2, -1]], [qw(assistant tool)], 'after it was told back to the model');
    like($asked[1]{messages}[-1]{content}, qr/elements/, 'what was wrong with it');
    is(scalar(my @once = $s->replies('wrong')), 1, 'the platform knows nothing of that');

    $answer = $s->post_message('person', 'm1', 'give me a person');
    is(types($answer->json->{result}{extracted_actions}), 'send_message transfer_to_agent', 'somebody is wanted') or diag($answer->text);
    $answer = $s->post_message('person', 'm2', 'a person, I said');
    is($answer->json->{result}{status}, 'recorded', 'then the bot is silent') or diag($answer->text);
    is(scalar(my @silent = $s->replies('person')), 1, 'and says nothing more');

    $answer = $s->post_message('refused', 'm1', 'this will be refused');
    is(join(' ', @{$answer->json->{result}}{qw(status reason)}), 'queued ai_refused', 'a service that refuses, and why') or diag($answer->text);
    my @failed = wait_for('its end', 60, sub { ($s->job($answer->json->{result}{job_id})->{status} // '') eq 'failed' });
    ok($failed[0], 'fails in the end');
    is(scalar(my @none = $s->replies('refused')), 0, 'and nothing is said');
    return;
}

# B: accepted, done by the daemon.
sub as_job {
    my $accepted = $s->chat('job', ['u what are the opening hours']);
    is($accepted->json->{status}, 'ai_processing_started', 'a job') or diag($accepted->text);
    $s->job_completes($accepted->json->{ai_job_id}) or return;
    is(($s->replies('job'))[0]{ai_response}{response_text}, 'We open at nine.', 'is answered by the service');
    return;
}

# C: what is told to those who listen while it is streamed.
sub is_streamed {
    my ($events, $who) = @_;
    my @replies = grep { $_->{type} eq 'reply' } @$events;
    my $whole = pop @replies;
    my @texts = map { $_->{text} } @replies;
    ok(!$whole->{partial}, "$who: the reply is the last");
    is($whole->{content}, $STORY, 'with the whole text');
    is(scalar(grep { !$_->{partial} } @replies), 0, 'and comes once');
    cmp_ok(scalar @texts, '>=', 4, 'it has grown before (' . scalar(@texts) . ' times)');
    my ($wrong, $fast) = (0, 0);
    for my $i (0 .. $#texts) {
        $wrong++ if index($STORY, $texts[$i]) != 0 || $i > 0 && length $texts[$i] <= length $texts[$i - 1];
        $fast++  if $i > 0 && $replies[$i]{at} - $replies[$i - 1]{at} < 0.24;
    }
    is($wrong, 0, 'each time by a part of it') or diag(join "\n", @texts);
    is($fast, 0, 'at most four times in a second');
    is(scalar(grep { ($_->{job_id} // '') ne $whole->{job_id} } @replies), 0, 'all of the same job');
    my $seq = 0;
    is(scalar(grep { $_->{seq} <= $seq or $seq = $_->{seq}, 0 } @$events), 0, 'in the order of their numbers');
    return;
}

sub streamed {
    my ($name) = @_;
    my $sse = $s->listen_to($name, after => 0);
    wait_for('the stream', 20, sub { $sse->read; $sse->status });
    my $ws = $with_ws && Stack::WebSocket->open(port => $s->{port}, target => "/ws/chat/$name?after=0", headers => $s->platform_headers, wait => bound(20));
    is($ws->status, 101, 'one listens over a WebSocket, one to a stream') if $ws;
    ok(wait_for('the mark', 20, sub { defined $s->redis('GET', "listening:$name") }), 'which is known in the store') if $s->{store} eq 'redis';
    my $said = $s->say($name, 'tell me a story', message_id => 'm1')->json;
    $s->hears($sse, 'job') or return;
    my @heard = $s->heard($sse);
    is_streamed(\@heard, 'stream');
    my @over_ws;
    while (my $event = $ws && $ws->json(bound(20))) {
        push @over_ws, $event;
        last if $event->{type} eq 'job';
    }
    is_streamed(\@over_ws, 'WebSocket') if $ws;
    is((grep { $_->{type} eq 'reply' } @heard)[-1]{job_id}, $said->{job_id}, 'of the turn that was announced');
    ok(($mock->asked('a story'))[-1]{stream}, 'the service was asked for a stream');
    my @replies = $s->replies($name);
    is(scalar @replies, 1, 'the platform has one reply');
    is($replies[0]{ai_response}{response_text}, $STORY, 'the whole one');
    cmp_ok($replies[0]{ai_response}{usage}{total_tokens} // 0, '>', 0, 'with what it has cost');

    my $late = $s->listen_to($name, after => 0);
    $s->hears($late, 'job') or return;
    my @kept = $s->heard($late);
    is(scalar(grep { $_->{partial} } @kept), 1, 'who comes later gets what was said last of it');
    is(scalar(grep { $_->{type} eq 'reset' } @kept), 0, 'and misses nothing');
    is($kept[-1]{seq}, $heard[-1]{seq}, 'to the same end');
    my $middle = (grep { $_->{partial} } @heard)[1]{seq};
    my $resumed = $s->listen_to($name, after => $middle);
    $s->hears($resumed, 'job') or return;
    is(join(' ', map { $_->{type} . ($_->{partial} ? '-partial' : '') } $s->heard($resumed)), 'reply-partial reply job', 'who comes back in between goes on with that')
        if $s->{store} eq 'redis';
    my $logged = join '', map { open my $fh, '<', $_ or die $!; local $/; <$fh> } glob "$s->{dir}/logs/{responder,daemon}*.log";
    unlike($logged, qr/teller of story/, 'nothing of it stands in a log');

    $_->hang_up for $sse, $late, $resumed;
    $ws->leave if $ws;
    return;
}

# A and C at once: who listens sees the answer of A grow, and A's caller gets it whole.
sub through_a {
    my $sse = $s->listen_to('both', after => 0);
    wait_for('the stream', 20, sub { $sse->read; $sse->status });
    my $answer = $s->post_message('both', 'm1', 'a story, please');
    is($answer->json->{result}{ai_response}{response_text}, $STORY, 'A gets the whole answer') or diag($answer->text);
    $s->hears($sse, 'reply', content => $STORY) or return;
    is_streamed([$s->heard($sse)], 'stream');
    $sse->hang_up;
    return;
}

$s = begin(store => 'redis', postgres => 0);
subtest 'a plain answer' => \&plain;
subtest 'tools'          => \&tools;
subtest 'a job'          => \&as_job;
subtest 'streamed'       => sub { streamed('story') };
subtest 'streamed to others' => \&through_a;
$s->end_well;
$s = begin(store => 'sqlite');
subtest 'streamed, on SQLite' => sub { streamed('story') };
$s->end_well;
$mock->end;
done_testing();
