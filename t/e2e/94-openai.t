#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# AI_PROVIDER=openai against a service that others have written (t/npm/README), through the whole stack: a plain answer, calls of tools, a call that is
# wrong at first, what in an answer is not for the customer, and an answer that is streamed to those who listen, by A, B and C.
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

my $TRAILING = '{"actions": [{"type": "transfer_to_agent",}]}';
my $THOUGHTS = join '', map { "The customer wants a riddle, says thought number $_.\n" } 1 .. 6;

my $mock = Stack::ChatMock->start(
    {match => {userMessage => 'opening hours'}, response => {content => 'We open at nine.'}},
    {match => {userMessage => 'which size'},
        response => {content => 'Let me ask.', toolCalls => [call('send_quick_replies', message => 'Which size?', quick_replies => [qw(S M L)])]}},
    {match => {userMessage => 'a person'}, response => {toolCalls => [call('send_message', message => 'One moment.'), call('transfer_to_agent', reason => 'asked for one')]}},
    {match => {userMessage => 'carousel', hasToolResult => JSON::PP::false}, response => {toolCalls => [call('send_carousel', cards => [])]}},
    {match => {userMessage => 'carousel', hasToolResult => JSON::PP::true}, response => {toolCalls => [call('send_carousel', elements => [{title => 'A red one'}])]}},
    {match => {userMessage => 'a story'}, response => {content => $STORY}, chunkSize => 8, latency => 60},
    {match => {userMessage => 'odd block'}, response => {content => "Of course.\n```json\n$TRAILING\n```"}},
    {match => {userMessage => 'block alone'}, response => {content => $TRAILING}},
    {match => {userMessage => 'cannot be read'}, response => {content => "I see.\n```json\n{\"actions\": [{\"type\": \"end_conversation\"}]}\n```"}},
    {match => {userMessage => 'controls'}, response => {content => "A\a bell\r\nand\x{85}more\x1b."}},
    {match => {userMessage => 'a riddle'}, response => {content => "<think>\n$THOUGHTS</think>\n\n$STORY"}, chunkSize => 8, latency => 60},
    {match => {userMessage => 'hard to answer'}, response => {content => "${THOUGHTS}</think>\n\nIt is simple.", reasoning => 'Another thought.'}},
    {match => {userMessage => 'refused'}, response => {error => {message => 'too long', type => 'invalid_request_error', code => 'context_length_exceeded'}, status => 400}},
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

# A: what in an answer is not for the customer.
sub not_said {
    my $result = $s->post_message('odd', 'm1', 'an odd block, please')->json->{result};
    is($result->{ai_response}{response_text}, 'Of course.', 'a block that cannot be read is no part of the text');
    is(types($result->{extracted_actions}), 'send_message', 'nor of what is done');
    is_deeply($result->{dropped_actions}, [{type => 'json_block', data => {text => $TRAILING}, reason => 'unreadable'}], 'but is known as what was dropped');
    is(scalar(my @once = $mock->asked('odd block')), 1, 'it was asked once');
    is_deeply([map { $_->{data}{message} } @{($s->replies('odd'))[0]{actions}}], ['Of course.'], 'the platform sees the text alone');
    my $logged = join '', map { open my $fh, '<', $_ or die $!; local $/; <$fh> } glob "$s->{dir}/logs/responder*.log";
    like($logged, qr/JSON block in the AI's answer cannot be read/, 'the log says so');
    unlike($logged, qr/transfer_to_agent/, 'but not what was in it');

    $result = $s->post_message('alone', 'm1', 'a block alone')->json->{result};
    is(types($result->{extracted_actions}), 'send_message end_conversation', 'one that is all of the answer is put right') or diag(Stack::Client->encode($result));
    is($result->{ai_response}{response_text}, 'I see.', 'with a text');
    is($result->{dropped_actions}, undef, 'and nothing was dropped');
    my ($asked) = $mock->asked('cannot be read');
    is_deeply([map { $_->{role} } @{$asked->{messages}}[-2, -1]], [qw(assistant user)], 'after the model was told');
    is($asked->{messages}[-2]{content}, $TRAILING, 'what it had said');

    $result = $s->post_message('controls', 'm1', 'controls, please')->json->{result};
    is($result->{ai_response}{response_text}, "A bell\nand\nmore.", 'control characters are left out');
    is_deeply([map { $_->{data}{message} } @{($s->replies('controls'))[0]{actions}}], ["A bell\nand\nmore."], 'for the platform, too');
    return;
}

# A: thoughts whose first tag stands in the model's template, and others in a member of their own.
sub thought_before {
    my $result = $s->post_message('hard', 'm1', 'this is hard to answer')->json->{result};
    is($result->{ai_response}{response_text}, 'It is simple.', 'what the model thought is not said') or diag(Stack::Client->encode($result));
    is_deeply([map { $_->{data}{message} } @{($s->replies('hard'))[0]{actions}}], ['It is simple.'], 'for the platform, too');
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

# C: a model that thinks first.
sub thinks_first {
    my $sse = $s->listen_to('riddle', after => 0);
    wait_for('the stream', 20, sub { $sse->read; $sse->status });
    $s->say('riddle', 'tell me a riddle', message_id => 'm1');
    $s->hears($sse, 'job') or return;
    my @heard = $s->heard($sse);
    is_streamed(\@heard, 'stream');
    unlike(Stack::Client->encode(\@heard), qr/thought number|think>/, 'nothing of its thoughts is in an event');
    is(($s->replies('riddle'))[0]{ai_response}{response_text}, $STORY, 'nor in the reply');
    $sse->hang_up;
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
subtest 'what is not said' => \&not_said;
subtest 'a job'          => \&as_job;
subtest 'streamed'       => sub { streamed('story') };
subtest 'thoughts'       => \&thinks_first;
subtest 'streamed to others' => \&through_a;
subtest 'thoughts without a tag' => \&thought_before;
$s->end_well;
$s = begin(store => 'sqlite');
subtest 'streamed, on SQLite' => sub { streamed('story') };
$s->end_well;
$mock->end;
done_testing();
