#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# The seed's own request, literally, gets the seed's answer: on the embedded store, and on Redis and PostgreSQL behind both web servers.
use strict;
use warnings;
use utf8;
use Encode ();
use FindBin;
use lib "$FindBin::Bin/../lib";
use Test::More;
use Stack;

binmode $_, ':encoding(UTF-8)' for map { Test::More->builder->$_ } qw(output failure_output todo_output);

# As the document prints it; only the conversation is chosen by each part.
my $seed = <<'JSON';
{
  "conversation_id": "conv_12345",
  "message_id": "msg_67890",
  "message_content": "T\u00f4i mu\u1ed1n \u0111\u1eb7t l\u1ecbch kh\u00e1m b\u1ec7nh",
  "sender_id": "user_123",
  "sender_type": "user",
  "timestamp": 1699123456.789,
  "metadata": {
    "platform": "web",
    "user_agent": "Mozilla/5.0..."
  }
}
JSON
my $content = 'Tôi muốn đặt lịch khám bệnh';

sub post_seed {
    my ($s, %o) = @_;
    return $s->client->request(method => 'POST', path => '/api/v1/enhanced-handle-message', body => $seed,
        headers => {%{$s->platform_headers}, 'Content-Type' => 'application/json', %o});
}

# The fields that the seed's answer has, with the seed's types.
sub check_answer {
    my ($answer, $backend) = @_;
    is($answer->status, 200, 'status 200') or diag($answer->text);
    my $json = $answer->json || {};
    my $result = $json->{result} || {};
    ok($json->{success}, 'success');
    like($json->{timestamp} // '', qr/^\d{10}(\.\d+)?$/, 'timestamp in seconds');
    like($json->{processing_time_ms} // '', qr/^\d+(\.\d+)?$/, 'processing_time_ms');
    is($result->{status}, 'completed', 'result.status') or diag($answer->text);
    is($result->{message_id}, 'msg_67890', 'message_id');
    is($result->{storage_backend}, $backend, 'storage_backend');
    is(!!$result->{distributed_lock_used}, $backend eq 'Redis', 'distributed_lock_used');
    my $ai = $result->{ai_response} || {};
    ok(length($ai->{response_text} // ''), 'ai_response.response_text');
    like($ai->{processing_time_ms} // '', qr/^\d+(\.\d+)?$/, 'ai_response.processing_time_ms is filled in');
    ok(length($ai->{model_used} // ''), 'ai_response.model_used');
    my $action = $result->{extracted_actions}[0] || {};
    is($action->{type}, 'send_message', 'one send_message was extracted');
    is($action->{data}{message}, $ai->{response_text}, 'with the text of the reply');
    is($result->{pancake_result}{status}, 'success', 'pancake_result.status');
    is($result->{pancake_result}{actions_executed}, 1, 'pancake_result.actions_executed');
    ok(length($result->{turn_id} // ''), 'turn_id');
    ok(defined $result->{context_size}, 'context_size');
    is($answer->header('X-Content-Type-Options'), 'nosniff', 'X-Content-Type-Options');
    is($answer->header('Cache-Control'), 'no-store', 'Cache-Control');
    return $result;
}

# What AI and platform were asked.
sub check_outside {
    my ($s, $result) = @_;
    my $ledger = $s->ledger('conv_12345');
    is(@{$ledger->{ai}}, 1, 'one AI call');
    is_deeply($ledger->{ai}[0]{message_ids}, ['msg_67890'], 'the AI was shown the message');
    is($ledger->{ai}[0]{turn_id}, $result->{turn_id}, 'Idempotency-Key is the turn');
    is($ledger->{ai}[0]{request_id}, 'request-50', 'X-Request-ID goes on to the AI');
    my $post = $ledger->{platform}[0] || {};
    is(@{$ledger->{platform}}, 1, 'one request to the platform');
    is($post->{turn_id}, $result->{turn_id}, 'Idempotency-Key is the turn');
    is_deeply($post->{message_ids}, ['msg_67890'], 'message_ids names what is answered');
    is($post->{ai_response}{response_text}, $result->{ai_response}{response_text}, 'the platform gets the reply');
    is($post->{actions}[0]{type}, 'send_message', 'and the action');
    ok(length($post->{distributed_lock_id} // ''), 'and the lock');
    cmp_ok($post->{fence} // 0, '>', 0, 'and its fence');
    like($post->{ai_response}{response_text}, qr/\Q$content\E/, 'letters of all languages come through');
    return $post;
}

# While the turn runs, lock:<id> holds the lease; afterwards it is gone.
sub check_lock {
    my $s = shift;
    $s->control(conversation_id => 'conv_locked', ai => {delay_ms => 1500});
    my $answer = $s->background($s->message('conv_locked', 'm1', 'who has the lock?'));
    my $token = wait_for('lock:conv_locked', 10, sub { $s->redis('GET', 'lock:conv_locked') });
    ok(defined $token && length $token >= 16, 'lock:<id> holds a token during the turn');
    my $left = $s->redis('PTTL', 'lock:conv_locked');
    ok($left > 0 && $left <= 30_000, 'for at most 30 s') or diag($left);
    is($answer->()->outcome, 'completed', 'the turn completes');
    is($s->redis('EXISTS', 'lock:conv_locked'), 0, 'then the lock is gone');
    is($s->ledger('conv_locked')->{platform}[0]{distributed_lock_id}, $token, 'distributed_lock_id was its token');
}

# The seed's queries, and the rest of the history.
sub check_archive {
    my ($s, $result) = @_;
    my $query = 'SELECT conversation_id, last_message_timestamp, total_messages FROM conversations ORDER BY last_message_timestamp DESC LIMIT 10';
    ok(wait_for('the archive', 15, sub { (grep { /^conv_12345\|.*\|1$/ } @{$s->psql_try($query) || []}) ? 1 : 0 }), "the seed's first query finds the conversation");
    is($s->psql("SELECT content FROM messages WHERE conversation_id = 'conv_12345' AND message_id = 'msg_67890'"), Encode::encode_utf8($content), 'the message is there');
    is($s->psql("SELECT ai_response->>'response_text' FROM messages WHERE conversation_id = 'conv_12345'"),
        Encode::encode_utf8($result->{ai_response}{response_text}), 'with its reply');
    my ($actions) = $s->psql('SELECT action_type, COUNT(*), AVG(retry_count) FROM message_actions GROUP BY action_type');
    like($actions, qr/^send_message\|\d+\|0\.0*$/, "the seed's second query");
    is($s->psql("SELECT DISTINCT status FROM message_actions WHERE conversation_id = 'conv_12345'"), 'executed', 'the action is executed');
    is($s->psql("SELECT model_used, ai_processing_time_ms >= 0 FROM messages WHERE conversation_id = 'conv_12345'"), 'double|t', 'model and time are kept');
    return;
}

sub part {
    my ($name, %o) = @_;
    subtest $name => sub {
        my $absent = missing($o{web}, ($o{store} // '') eq 'redis' ? qw(redis postgres) : ());
        plan skip_all => "$absent is not installed" if $absent;
        my $s = Stack->start(%o);
        my $backend = ($o{store} // '') eq 'redis' ? 'Redis' : 'SQLite';
        my $answer = post_seed($s, 'X-Request-ID' => 'request-50');
        my $result = check_answer($answer, $backend);
        is($answer->header('X-Request-ID'), 'request-50', 'X-Request-ID comes back');
        check_outside($s, $result);
        is(post_seed($s, Authorization => 'Bearer wrong')->status, 401, 'a wrong token is refused');
        my $again = post_seed($s);
        is($again->json->{result}{replayed}, JSON::PP::true(), 'the same message again is replayed');
        is($again->json->{result}{turn_id}, $result->{turn_id}, 'with the same turn');
        if ($backend eq 'Redis') {
            check_lock($s);
            check_archive($s, $result);
        }
        $s->end_well;
    };
}

part('embedded store, lighttpd', web => 'lighttpd');
part('embedded store, Apache', web => 'apache', responders => 1);
part('Redis and PostgreSQL, lighttpd', web => 'lighttpd', store => 'redis');
part('Redis with a password and PostgreSQL, Apache', web => 'apache', store => 'redis', password => 'a pass/word');

subtest 'simulated AI, platform that writes a log' => sub {
    my $absent = missing('lighttpd');
    plan skip_all => "$absent is not installed" if $absent;
    my $s = Stack->start(double => 0, responders => 1);
    is(post_seed($s)->outcome, 'completed', 'the seed\'s request completes without any other service');
    $s->end_well;
};

done_testing;
