#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# RATE_LIMIT_PER_MINUTE: one number for all responders, for each credential and each conversation; and what the answers say of it.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use Test::More;
use Time::HiRes qw(time);
use Stack;
use Stack::History;
use Stack::Sessions;

my $limit = 20;
my $s;

# The statuses of so many requests, all in one minute: another try where the minute has ended meanwhile.
sub in_a_minute {
    my ($code) = @_;
    for (1 .. 3) {
        my $minute = int(time / 60);
        my @answers = $code->();
        return @answers if int(time / 60) == $minute;
    }
    return ();
}

sub passed { return scalar grep { $_->status < 300 } @_ }

for my $store (qw(sqlite redis)) {
    subtest $store => sub {
        my $absent = missing('lighttpd', $store eq 'redis' ? qw(redis postgres) : ());
        plan skip_all => "$absent is not installed" if $absent;
        $s = Stack->start(store => $store, env => {RATE_LIMIT_PER_MINUTE => $limit, 
            JWT_SECRET => $Stack::jwt_secret,
            PANCAKE_ACCESS_TOKEN => join(',', 'first', map { "platform-$_" } 1 .. 26)});
        my $n = 0;
        my @answers = in_a_minute(sub {
            my $headers = {Authorization => 'Bearer platform-' . ++$n};
            return $s->burst([map { {path => '/api/v1/chat/sessions/none', headers => $headers} } 1 .. $limit + 10]);
        });
        is(scalar(grep { $_->status == 404 } @answers), $limit, 'as many as one credential may, through both responders');
        my @refused = grep { $_->status == 429 } @answers;
        is(scalar @refused, 10, 'no more');
        is($refused[0]->json->{code}, 'rate_limited', 'rate_limited');
        is($refused[0]->header('RateLimit-Limit'), $limit, 'the limit is said');
        is($refused[0]->header('RateLimit-Remaining'), 0, 'nothing is left');
        ok($refused[0]->header('Retry-After') >= 1 && $refused[0]->header('Retry-After') <= 60, 'when to come back, too');
        is_deeply([sort { $b <=> $a } map { $_->header('RateLimit-Remaining') } grep { $_->status == 404 } @answers], [reverse 0 .. $limit - 1],
            'each of the others was told how many were left');
        is($s->get('/health')->status, 200, '/health is for everybody');

        $n = 10;
        @answers = in_a_minute(sub {
            my $conversation = 'c' . ++$n;
            return map {
                my $k = $_;
                $s->post_message($conversation, "m$k", 'hello', sender_type => 'agent', headers => {Authorization => 'Bearer platform-' . ($n * 2 % 20 + $k % 2 + 4)});
            } 1 .. $limit + 5;
        });
        is(passed(@answers), $limit, 'a conversation gets as many messages, whoever sends them');
        is(scalar(grep { $_->status == 429 } @answers), 5, 'and no more');
        # What is refused is not counted for the conversation, or anybody could silence it.
        my $post = sub {
            my ($user, $session) = @_;
            return $s->{client}->request(path => "/api/v1/chat/sessions/$session/messages", json => {content => 'x'}, headers => $s->user_headers($user));
        };
        $s->post_message('of-lan', 'first', 'hello', sender_id => 'lan', headers => {Authorization => 'Bearer platform-25'});
        @answers = in_a_minute(sub { return map { $post->('eve', 'of-lan') } 1 .. 5 });
        is_deeply([map { $_->status } @answers], [(403) x 5], "another's session");
        my $unknown = $post->('eve', 'of-nobody');
        is($unknown->status, 403, 'and one of nobody');
        is($unknown->header('RateLimit-Remaining'), $limit - 6, 'cost as much');
        is($answers[0]->header('RateLimit-Remaining'), $limit - 1, 'and say nothing of what that conversation has left');
        is($post->('lan', 'of-lan')->header('RateLimit-Remaining'), $limit - 2, 'nor is it less');
        is($s->redis('KEYS', 'rate:*') ? 1 : 0, 1, 'counted in Redis') if $store eq 'redis';
        $s->end_well;
    };
}

done_testing;
