#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# Logs at their most talkative: every line is JSON, whatever ids hold; no credential and no text of a message or a reply is in any of them, unless
# LOG_CONTENT=yes, and then texts only. Each ended turn has one line that names request, conversation and turn.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use Test::More;
use Time::HiRes qw(sleep time);
use Stack;

my %secret = (AI_SERVICE_TOKEN => 'canary-ai-token-51a', PANCAKE_OUTBOUND_TOKEN => 'canary-outbound-77b');
my $text   = 'canary-text-of-the-customer-9c1';
my $answer = 'canary-text-of-the-reply-3d2';
my $odd    = 'c","status":"forged","x":"\\';

# Lines of turnkeeper's programs: parsed, and raw.
sub lines {
    my $s = shift;
    my (@parsed, @raw);
    for my $p ($s->responders, $s->daemons) {
        open my $fh, '<', $p->{log} or die $!;
        while (my $line = <$fh>) {
            push @raw, $line;
            push @parsed, Stack::Client->decode($line) // {broken => $line};
        }
    }
    return (\@parsed, \@raw);
}

# Everything that goes wrong in a turn, and some that goes right.
sub make_trouble {
    my $s = shift;
    $s->control(ai => {text => $answer});
    my @requests = map { $s->message("ok$_", 'm1', $text, headers => {'X-Request-ID' => "req-$_"}) } 1 .. 3;
    $s->burst(\@requests);
    $s->post_message($odd, 'm","x":"y', $text, headers => {'X-Request-ID' => 'req-odd'});
    my %scripts = (
        ai500 => {ai => {status => 500, body => "no: $text"}}, ai400 => {ai => {status => 400, body => "no: $text"}},
        garbage => {ai => {body => "$answer is no JSON"}}, cut => {ai => {cut => 'after_read'}},
        pfalse => {platform => {mode => 'success_false', body => {success => \0, error => $text}}},
        pcut => {platform => {mode => 'cut_after_apply'}}, p400 => {platform => {mode => 'fail_status', status => 400}},
    );
    for my $c (sort keys %scripts) {
        $s->control(conversation_id => $c, %{$scripts{$c}});
        $s->post_message($c, 'm1', $text, headers => {'X-Request-ID' => "req-$c"});
    }
    # at the door
    $s->client->request(path => '/api/v1/enhanced-handle-message', json => {message_content => $text}, headers => {Authorization => 'Bearer canary-wrong-token'});
    $s->client->request(path => '/api/v1/enhanced-handle-message?token=canary-query', json => {message_content => $text}, headers => $s->platform_headers);
    $s->client->request(path => '/api/v1/enhanced-handle-message', body => "{\"$text", method => 'POST',
        headers => {%{$s->platform_headers}, 'Content-Type' => 'application/json'});
    $s->get("/canary-path-$text");
    return;
}

sub forbidden {
    my ($s, @more) = @_;
    return ($s->{platform_token}, $s->{admin_token}, values %secret, qw(canary-wrong-token canary-query), defined $s->{password} ? $s->{password} : (), @more);
}

sub check {
    my ($store, $content) = @_;
    my $s = Stack->start(store => $store, ($store eq 'redis' ? (password => 'canary-redis-password') : ()),
        env => {%secret, LOG_LEVEL => 'DEBUG', AI_SERVICE_RETRIES => 1, ($content ? (LOG_CONTENT => 'yes') : ())});
    ok(wait_for('all programs', 30, sub { my ($l) = lines($s); 3 == grep { ($_->{message} // '') =~ / is up$/ } @$l }), 'all programs are up');
    make_trouble($s);
    ok(wait_for('the replies', 30, sub { 3 == grep { $s->replies("ok$_") } 1 .. 3 }), 'messages went through');
    my $ended = sub { my ($l) = lines($s); return grep { ($_->{message} // '') eq 'turn ended' } @$l };
    ok(wait_for('the lines', 30, sub { $ended->() >= 10 }), 'turns ended');
    for my $p ($s->responders, $s->daemons) { $p->signal('HUP') }
    my ($parsed, $raw) = lines($s);
    my @broken = grep { exists $_->{broken} } @$parsed;
    is(scalar @broken, 0, 'every line is JSON') or diag($broken[0]{broken});
    is(scalar(grep { ($_->{status} // '') eq 'forged' } @$parsed), 0, 'ids forge no fields');
    my @odd = grep { ($_->{conversation_id} // '') eq $odd && $_->{message} eq 'turn ended' } @$parsed;
    is(scalar @odd, 1, 'an odd id stands there as it is');
    for my $word (forbidden($s, $content ? () : ($text, $answer))) {
        my @found = grep { index($_, $word) >= 0 } @$raw;
        is(scalar @found, 0, "nowhere: " . substr($word, 0, 24)) or diag($found[0]);
    }
    if ($content) {
        my @with = grep { ($_->{message} // '') eq 'turn ended' && ($_->{content} // '') eq $text } @$parsed;
        cmp_ok(scalar @with, '>=', 3, 'LOG_CONTENT: texts stand in the lines of turns');
    }
    for my $n (1 .. 3) {
        my @line = grep { ($_->{message} // '') eq 'turn ended' && ($_->{conversation_id} // '') eq "ok$n" } @$parsed;
        is(scalar @line, 1, "one line for the turn of ok$n") or next;
        my $l = $line[0];
        is($l->{request_id}, "req-$n", 'request_id');
        is($l->{status}, 'completed', 'status');
        is_deeply([map { defined $l->{$_} && $l->{$_} =~ /^\d+$/ ? 1 : 0 } qw(messages ai_ms own_ms restarts)], [1, 1, 1, 1], 'its numbers');
        like($l->{turn_id}, qr/^[0-9a-f-]{36}$/, 'turn_id');
        is($l->{level}, 'INFO', 'at INFO');
    }
    my @loud = grep { ($_->{level} // '') =~ /^(WARNING|ERROR)$/ && ($_->{message} // '') =~ /AI gave no answer|platform did not take/ } @$parsed;
    cmp_ok(scalar @loud, '>=', 5, 'failures are logged');
    is(scalar(grep { !defined $_->{conversation_id} || !defined $_->{turn_id} } @loud), 0, 'with conversation and turn');
    is(scalar(grep { ($_->{request_id} // '') !~ /^req-/ } grep { $_->{program} eq 'turnkeeper.fcgi' } @loud), 0, 'and request, where there is one');
    $s->end_well;
    return;
}

plan skip_all => 'no lighttpd' if Stack::missing('lighttpd');
subtest 'SQLite' => sub { check('sqlite', 0) };
subtest 'Redis with a password' => sub {
    my $missing = Stack::missing(qw(redis postgres));
    plan skip_all => "no $missing" if $missing;
    check('redis', 0);
};
subtest 'LOG_CONTENT' => sub { check('sqlite', 1) };
done_testing;
