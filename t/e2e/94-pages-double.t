#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# The double of Pancake's page API, on which the next tests stand: it keeps what it is sent, counts what it is asked, keeps its limit, and goes wrong only
# when and how it is told to. Nothing of turnkeeper runs here but the double.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use File::Temp qw(tempdir);
use Test::More;
use Time::HiRes qw(sleep time);
use Stack;
use Stack::Pages;
use Stack::Receiver;

my $s = bless {dir => tempdir('tk-XXXXXX', TMPDIR => 1, CLEANUP => 1), descriptors => 1024, double => 1, pages => ['p1'], webhook_secret => 'the-secret'}, 'Stack';
mkdir "$s->{dir}/logs";
$s->start_double;
my $client = Stack::Client->new(port => $s->{double_port}, timeout => 20);
my $base = '/any/public_api/v1/pages/p1/conversations';

sub fresh { $client->request(path => '/reset', json => {}); $s->pages(tokens => {p1 => 't1', p2 => 't2', igo_1 => 't3'}, limit => 0); return }
sub request { my ($method, $path, %o) = @_; my $token = delete $o{token} // 't1'; return {method => $method, path => $path . ($path =~ /\?/ ? '&' : '?') . "page_access_token=$token", %o} }
sub post { my ($c, $text, %o) = @_; return $client->request(%{request('POST', "$base/$c/messages", json => {action => 'reply_inbox', message => $text, %o})}) }
sub get { my ($c, $query) = @_; return $client->request(%{request('GET', "$base/$c/messages" . ($query // ''))}) }
sub texts { return join ' ', map { $_->{original_message} } @{$_[0]->json->{messages}} }

subtest 'what is sent is there' => sub {
    fresh();
    my $hook = $s->customer('c1', "a <b> & 'c'\nd", type => 'INBOX');
    is($hook->{event_type}, 'messaging', 'a webhook tells of what a customer says');
    is($hook->{data}{message}{original_message}, "a <b> & 'c'\nd", 'with its text');
    is($hook->{data}{message}{message}, '<div>a &lt;b&gt; &amp; &#39;c&#39;<br>d</div>', 'and as markup');
    like($hook->{data}{message}{inserted_at}, qr/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}$/, 'and when, in UTC without saying so');
    is($hook->{data}{message}{from}{id}, 'customer-of-c1', 'and from whom');
    my $answer = post('c1', 'hello');
    ok($answer->status == 200 && $answer->json->{success}, 'a reply is taken') or diag($answer->text);
    my ($reply) = $s->page_replies('c1');
    is($reply->{id}, $answer->json->{id}, 'and is there under the id that was said');
    is(texts(get('c1')), "hello a <b> & 'c'\nd", 'reading shows the newest first');
    my @from = map { $_->{from} } @{get('c1')->json->{messages}};
    ok($from[0]{id} eq 'p1' && !exists $from[0]{admin_id}, 'from the page, not from a person');
    ok(exists $s->staff('c1', 'a person')->{data}{message}{from}{admin_id}, 'a person has an admin_id');
    post('c1', "n$_") for 1 .. 40;
    my ($first, $second) = (get('c1'), get('c1', '?current_count=30'));
    is(scalar @{$first->json->{messages}}, 30, '30 a read');
    is(scalar @{$second->json->{messages}}, 13, 'the rest behind current_count');
    is($first->json->{messages}[29]{original_message}, 'n11', 'in order');
    is(texts(get('c1', '?current_count=42')), "a <b> & 'c'\nd", 'to the first');
};

subtest 'what cannot be is refused' => sub {
    fresh();
    $s->customer('c1', 'hello');
    my $comment = $s->customer('k1', 'what a post', type => 'COMMENT', post_id => 'p1_9');
    is($comment->{data}{post}{id}, 'p1_9', 'a comment has a post');
    $s->customer('i1', 'hello', page => 'igo_1');
    my %refused = (
        'an unknown conversation' => post('c9', 'x'), 'no text' => post('c1', ''), 'too long a text' => post('c1', 'x' x 2001),
        'the action of a comment' => post('c1', 'x', action => 'reply_comment', message_id => '1'), 'the action of an inbox' => post('k1', 'x'),
        'no comment' => post('k1', 'x', action => 'reply_comment', message_id => '1'),
        'more than Instagram takes' => $client->request(%{request('POST', '/public_api/v1/pages/igo_1/conversations/i1/messages', token => 't3',
            json => {action => 'reply_inbox', message => "\x{e9}" x 1001})}),
    );
    for my $what (sort keys %refused) { ok($refused{$what}->status == 200 && !$refused{$what}->json->{success}, $what) or diag($refused{$what}->text) }
    ok(post('c1', "\x{e9}" x 2000)->json->{success}, 'characters are counted, not bytes');
    ok(post('k1', 'x', action => 'reply_comment', message_id => Stack::hook_id($comment))->json->{success}, 'a comment is replied to');
    is(($s->page_replies('k1'))[0]{reply_to}, Stack::hook_id($comment), 'that one');
    is($client->request(%{request('GET', "$base/c1/messages", token => 'wrong')})->status, 401, 'a wrong token');
    is($client->request(%{request('GET', "$base/c1/messages", token => 't2')})->status, 401, "another page's token");
    is($client->request(path => "$base/c1/messages")->status, 401, 'no token');
    is($s->page_stats->{unauthorized}, 3, 'they are counted');
    is(post('c1', 'x', content_ids => [1])->status, 500, 'text and contents at once');
    is(scalar(() = $s->page_replies('c1')), 1, 'nothing of it was sent');
};

subtest 'the limit' => sub {
    fresh();
    $s->pages(limit => 5, retry_after => 3);
    $s->customer('c1', 'hello');
    my @answers = map { post('c1', "n$_") } 1 .. 7;
    is(join(' ', map { $_->status } @answers), '200 200 200 200 200 429 429', 'five in a second');
    is($answers[5]->header('Retry-After'), 3, 'and when to come again');
    sleep 1;
    is(post('c1', 'later')->status, 200, 'a second later they are forgotten');
    my $stats = $s->page_stats('p1');
    is_deeply([@$stats{qw(calls sends limited)}], [8, 8, 2], 'all are counted') or diag(Stack::Client->encode($stats));
    cmp_ok($stats->{max_in_second}, '>=', 7, 'seven within one second');
    is($client->request(%{request('GET', '/public_api/v1/pages/p2/conversations/c1/messages', token => 't2')})->status, 200, 'another page has its own');
};

subtest 'it goes wrong as it is told to' => sub {
    fresh();
    $s->customer($_, 'hello') for qw(c1 c2);
    $s->misbehave(
        {call => 'send', conversation_id => 'c1', text => 'false', do => 'success_false'}, {call => 'send', text => 'status', do => 'status', status => 502},
        {call => 'send', text => 'late', do => 'status', status => 500, store => \1}, {call => 'send', text => 'garbage', do => 'body', body => '<html>'},
        {call => 'send', text => 'empty', do => 'body', body => ''}, {call => 'send', text => 'cut', do => 'cut'}, {call => 'send', text => 'half', do => 'half'},
        {call => 'send', text => 'never', do => 'cut', store => \0}, {call => 'send', text => 'slow', do => 'slow', slow_ms => 400},
        {call => 'send', text => 'twice', skip => 1, times => 2, do => 'status', status => 429, retry_after => 7},
        {call => 'read', conversation_id => 'c2', times => 1, do => 'status', status => 503}, {call => 'send', text => 'same', do => 'duplicate_id'});
    is(post('c2', 'false')->json->{success}, JSON::PP::true(), 'another conversation is left alone');
    ok(!post('c1', 'false')->json->{success}, 'success: false');
    is(post('c1', 'status')->status, 502, 'a status');
    is(post('c1', 'late')->status, 500, 'a status behind the message');
    is(post('c1', 'garbage')->body, '<html>', 'a body that is none');
    is(post('c1', 'empty')->body, '', 'an empty one');
    is(post('c1', 'cut')->status, 0, 'a cut');
    is(post('c1', 'half')->status, 0, 'half an answer');
    is(post('c1', 'never')->status, 0, 'a cut before it arrives');
    my $begin = time;
    ok(post('c1', 'slow')->json->{success} && time - $begin > 0.3, 'a slow answer');
    is(join(' ', map { post('c1', "twice $_")->status } 1 .. 4), '200 429 429 200', 'the second and the third call');
    is(get('c2')->status, 503, 'a read fails');
    is(get('c2')->status, 200, 'once');
    is(post('c1', 'same')->json->{id}, ($s->page_replies('c1'))[-2]{id}, 'an id that was there');
    is(join(' ', map { $_->{text} } $s->page_replies('c1')), 'late garbage empty cut half slow twice 1 twice 4 same', 'what took effect did');
    is($s->used, '1 1 1 1 1 1 1 1 1 2 1 1', 'each rule was used');
    fresh();
    $s->customer('c1', 'hello');
    $s->misbehave({call => 'send', do => 'hang'});
    my $hasty = Stack::Client->new(port => $s->{double_port}, timeout => 1);
    is($hasty->request(%{request('POST', "$base/c1/messages", json => {action => 'reply_inbox', message => 'hangs'})})->status, 0, 'no answer');
    ok(wait_for('the end', 5, sub { ($s->page_calls)[0]{closed_early} }), 'the caller went first');
    is(scalar(() = $s->page_replies('c1')), 1, 'the message is there');
};

subtest 'reading' => sub {
    fresh();
    $s->pages(visible_after => 3, numeric_ids => \1, no_originals => \1);
    $s->customer('c1', 'hello');
    like(post('c1', 'hidden')->body, qr/"id":\d+,/, 'a number as id');
    is(join(' ', map { scalar @{get('c1')->json->{messages}} } 1 .. 3), '1 1 2', 'the third read shows it');
    ok(!exists get('c1')->json->{messages}[0]{original_message}, 'without original_message');
    is(get('c9')->json->{success}, JSON::PP::true(), 'a conversation that is not there is empty');
    $s->customer("l$_", 'hello', page => 'p2') for 1 .. 70;
    my $list = sub { my $query = shift; return map { $_->{id} } @{$client->request(%{request('GET', "/public_api/v2/pages/p2/conversations?$query", token => 't2')})->json->{conversations}} };
    my $now = int time;
    my @first = $list->('since=' . ($now - 5) . '&until=' . ($now + 5));
    is(scalar @first, 60, '60 conversations at once');
    is($first[0], 'l70', 'the newest first');
    is(join(' ', $list->('since=' . ($now - 5) . '&until=' . ($now + 5) . "&last_conversation_id=$first[-1]")), join(' ', map { "l$_" } reverse 1 .. 10), 'the rest behind it');
    is(scalar $list->('since=' . ($now + 60) . '&until=' . ($now + 90)), 0, 'since and until');
};

subtest 'webhooks' => sub {
    fresh();
    my $r = Stack::Receiver->start($s);
    $s->pages(webhook_url => $r->url('/hooks'), webhook_secret => 'the-secret', webhook_retries => 1, webhook_retry_ms => 50);
    $r->answers('/hooks/p1?secret=the-secret', (map { {status => 200} } 1 .. 8), {status => 503}, {status => 200});
    $s->people_say(messages => [map { {page => 'p1', conversation_id => "c$_", text => "text $_"} } 1 .. 3], times => 3, seed => 5);
    my $d = $s->deliveries_done(20) or return;
    is_deeply([@$d{qw(done given_up)}, $d->{statuses}], [9, 0, {200 => 9, 503 => 1}], 'three times each, once more what was refused') or diag(Stack::Client->encode($d));
    my @got = map { Stack::Receiver::body($_)->{data}{message}{original_message} =~ /(\d)/ } $r->got;
    is(join('', sort @got[0 .. 7]) =~ /^1{2,3}2{2,3}3{2,3}$/, 1, 'each of them');
    isnt(join('', @got[0 .. 7]), '11122233', 'mixed');
    $s->pages(webhook_auth => 'signature', echo_times => 2, echo_first => \1);
    post('c1', 'told before the answer');
    my @echoes = $r->got('/hooks/p1');
    is(scalar @echoes, 2, 'both echoes were there before the answer');
    is($echoes[0]{headers}{'x-pancake-signature'}, 'sha256=' . Digest::SHA::hmac_sha256_hex(MIME::Base64::decode_base64($echoes[0]{body64}), 'the-secret'), 'signed');
    $s->pages(webhook_auth => 'bearer', webhook_token => 'the-token', echo_first => \0, echo_delay_ms => 100);
    post('c1', 'told later');
    is(scalar(() = $r->got('/hooks/p1')), 2, 'not yet');
    ok(wait_for('the echoes', 10, sub { $r->got('/hooks/p1') == 4 }), 'after the answer');
    is(($r->got('/hooks/p1'))[3]{headers}{authorization}, 'Bearer the-token', 'with a token');
    my $edit = $s->edits('c1', ($s->seen('c1'))[0]{id}, 'another text');
    is_deeply($edit->{data}{message}{edit_history}, [{message => 'text 1'}], 'an edit tells what was there before');
    ok($s->removes('c1', ($s->seen('c1'))[0]{id})->{data}{message}{is_removed}, 'a removal says so');
};

$s->{double_process}->signal('TERM');
ok($s->{double_process}->wait_end(10) && $s->{double_process}->status == 0, 'it ends well');
done_testing;
