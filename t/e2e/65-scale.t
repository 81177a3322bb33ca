#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# What an administrator asks for, and what the daemon looks for, costs the same with 200,000 conversations as with 1,000: two installations
# side by side, asked in turn, so that whatever else the machine does hits both; the lowest are compared, as other tests get in the way of
# some of the requests, and what grows with the number of conversations would slow all of them. Conversations are copies of a real one, in
# Redis' own keys.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use Test::More;
use Time::HiRes qw(sleep time);
use Stack;

my $absent = missing(qw(lighttpd redis postgres));
plan skip_all => "$absent is not installed" if $absent;

my $FEW    = 1_000;
my $MANY   = $ENV{CONVERSATIONS} || 200_000;
my $ROUNDS = 41;
my $CLEANUPS = 31; # of 10 conversations each
my $RATIO  = 2;

# ---- conversations ----

sub unpack_hash { my %h = @{$_[0]}; return \%h }

# {record, index, version, context, activity}: what a conversation that was answered once looks like.
sub template {
    my $s = shift;
    is($s->post_message('template', 'm1', 'Hello, is the red one still there?')->outcome, 'completed', 'a conversation to copy');
    my %t = (%{unpack_hash($s->redis('HGETALL', 'conversation:template'))}, context => $s->redis('LRANGE', 'conversation:template:context', 0, -1));
    ($t{activity}) = $t{index} =~ /^(\d+)/ or BAIL_OUT("an index of another form: $t{index}");
    $t{record} =~ /\b$t{activity}\b/ or BAIL_OUT('the record does not have its activity');
    return \%t;
}

# Its record and index as if it had been active at that moment only.
sub aged {
    my ($t, $at_ms) = @_;
    my ($record, $index) = @$t{qw(record index)};
    s/\b$t->{activity}\b/$at_ms/g for $record, $index;
    return ($record, $index);
}

sub command { my @words = @_; return join '', '*' . @words . "\r\n", map { '$' . length($_) . "\r\n$_\r\n" } @words }

# Fills Redis up to n conversations, spread over the last hours.
sub fill {
    my ($s, $t, $n) = @_;
    $s->redis('CONFIG', 'SET', 'auto-aof-rewrite-percentage', 0);
    my $socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $s->{redis_port}) or die "Redis: $!";
    print {$socket} command('CLIENT', 'REPLY', 'OFF');
    my $context = command('RPUSH', 'conversation:ID:context', @{$t->{context}});
    my $now = int 1000 * time;
    for my $k (1 .. $n - $s->redis('ZCARD', 'activity')) {
        my ($id, $at) = (sprintf('copy%06d', $k), $now - int 20 * 3_600_000 * $k / $n);
        my ($record, $index) = aged($t, $at);
        my $length = length('conversation::context') + length $id;
        print {$socket} command('HSET', "conversation:$id", 'version', $t->{version}, 'record', $record, 'index', $index),
            $context =~ s/\$\d+\r\nconversation:ID:context/\$$length\r\nconversation:$id:context/r, command('ZADD', 'activity', $at, $id);
    }
    print {$socket} command('CLIENT', 'REPLY', 'ON');
    is(<$socket>, "+OK\r\n", 'loaded');
    is($s->redis('ZCARD', 'activity'), $n, "$n conversations");
    return;
}

# ---- what is measured ----

# Seconds of one request; what the test itself does with the answer is not counted.
sub get_ok {
    my ($s, $path, $check) = @_;
    my $answer = $s->admin($path);
    my $j = $answer->json;
    $answer->status == 200 && $check->($j) or fail("$path: " . $answer->text);
    return $answer->took;
}

# {what => code that does it and returns its seconds}
my %asked = (
    list       => sub { get_ok($_[0], '/api/v1/admin/conversations?limit=50', sub { @{$_[0]{conversations}} == 50 && $_[0]{next_cursor} }) },
    'list, deep' => sub { my $s = shift; get_ok($s, "/api/v1/admin/conversations?limit=50&cursor=$s->{deep}", sub { @{$_[0]{conversations}} == 50 }) },
    'list of paused' => sub { get_ok($_[0], '/api/v1/admin/conversations?state=paused', sub { !@{$_[0]{conversations}} }) },
    'list of stuck'  => sub { get_ok($_[0], '/api/v1/admin/conversations?state=stuck', sub { !@{$_[0]{conversations}} }) },
    health     => sub { get_ok($_[0], '/api/v1/admin/health', sub { $_[0]{status} }) },
    stats      => sub { get_ok($_[0], '/api/v1/admin/stats', sub { ref $_[0] }) },
    'a state'  => sub { get_ok($_[0], '/api/v1/admin/conversations/copy000500', sub { ref $_[0] }) },
    # ten idle conversations that somebody has put on the list of what is due: the daemon looks and takes them off
    sweep      => sub {
        my $s = shift;
        my $now = int 1000 * time;
        $s->redis('ZADD', 'due', map { ($now - 1000, sprintf 'copy%06d', 100 + $_) } 1 .. 10);
        $s->redis('PUBLISH', 'turnkeeper:events', 'due');
        my $begin = time;
        while ($s->redis('ZCARD', 'due') > 0) { time < $begin + 60 or return fail('the daemon does not come') }
        return time - $begin;
    },
);

# Ten conversations that were really answered and archived, and are then made two days old.
sub age_ten {
    my ($s, $round) = @_;
    for my $k (1 .. 10) {
        my $id = "old${round}x$k";
        my $h = unpack_hash($s->redis('HGETALL', "conversation:$id"));
        ($h->{activity}) = $h->{index} =~ /^(\d+)/;
        my $at = $h->{activity} - 48 * 3_600_000;
        my ($record, $index) = aged($h, $at);
        $s->redis('HSET', "conversation:$id", 'record', $record, 'index', $index);
        $s->redis('ZADD', 'activity', $at, $id);
    }
    return;
}

sub cleanup_ten {
    my $s = shift;
    my $answer = $s->admin_post('/api/v1/admin/system/cleanup?max_age_hours=24');
    my $j = $answer->json;
    $answer->status == 200 && $j->{removed} == 10 or fail('cleanup: ' . $answer->text);
    return $answer->took;
}

# What others on the machine take makes a call longer, never shorter; but how soon the daemon looks is chance.
sub low { my ($what, @took) = @_; my @sorted = sort { $a <=> $b } @took; return $sorted[$what eq 'sweep' ? @sorted / 4 : 0] }
sub is_longer { my ($what, $few, $many) = @_; return low($what, @$many) > $RATIO * low($what, @$few) }

sub compare {
    my ($what, $few, $many) = @_;
    my ($a, $b) = map { low($what, @$_) } $few, $many;
    note(sprintf '%-16s %6d: %.2f ms   %6d: %.2f ms   ratio %.2f', $what, $FEW, 1000 * $a, $MANY, 1000 * $b, $b / $a);
    cmp_ok($b, '<=', $RATIO * $a, "$what: no more than $RATIO times as long");
    return;
}

# ---- both, in turn ----

my @stacks = map { Stack->start(store => 'redis', responders => 1) } 1, 2;
for my $s (@stacks) {
    my $t = template($s);
    my @answers = $s->burst([map { my $round = $_; map { $s->message("old${round}x$_", "m$_") } 1 .. 10 } 0 .. $CLEANUPS], connections => 20);
    is(scalar(grep { $_->outcome ne 'completed' } @answers), 0, 'conversations to clean up');
    wait_for('the archive', 30, sub { $s->psql('SELECT count(*) FROM messages') == 1 + @answers && !$s->redis('EXISTS', 'message_queue', 'message_queue:batches') });
    fill($s, $t, $s == $stacks[0] ? $FEW : $MANY);
    my $cursor = '';
    for (1 .. 5) { $cursor = $s->admin("/api/v1/admin/conversations?limit=100&cursor=$cursor")->json->{next_cursor} }
    $s->{deep} = $cursor;
}
my %took;
sub measure {
    my ($what, $round) = @_;
    for my $k ($round % 2 ? (0, 1) : (1, 0)) {
        my $seconds = $asked{$what}->($stacks[$k]);
        push @{$took{$what}[$k]}, $seconds if $round > 0;
    }
    return;
}
for my $round (0 .. $ROUNDS) { # the first one warms up
    measure($_, $round) for sort keys %asked;
}
# Where other tests had the machine for all of that, it takes more to find a moment without them; what is longer stays so.
for my $round (1 .. 4 * $ROUNDS) {
    measure($_, $round) for grep { is_longer($_, @{$took{$_}}) } sort keys %asked;
}
for my $round (0 .. $CLEANUPS) {
    for my $k ($round % 2 ? (0, 1) : (1, 0)) {
        age_ten($stacks[$k], $round);
        my $seconds = cleanup_ten($stacks[$k]);
        push @{$took{cleanup}[$k]}, $seconds if $round > 0;
    }
}
compare($_, @{$took{$_}}) for sort keys %took;
for my $k (0, 1) {
    is($stacks[$k]->redis('ZCARD', 'activity'), ($k ? $MANY : $FEW) - 10 * ($CLEANUPS + 1), 'cleanup has removed what was old, and nothing else');
}
$_->end_well for @stacks;
done_testing;
