#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# The same message again, at any time, in any number, with any content: processed once, and told what became of it.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use Test::More;
use Time::HiRes qw(time);
use Stack;

sub one_after_the_other {
    my $s = shift;
    my $first = $s->post_message('again', 'm1', 'hello');
    is($first->outcome, 'completed', 'the first');
    ok(!$first->json->{result}{replayed}, 'is no replay');
    for my $content ('hello', 'something else') {
        my $again = $s->post_message('again', 'm1', $content);
        is($again->status, 200, "again with \"$content\"");
        my %want = %{$first->json->{result}};
        my %got = %{$again->json->{result}};
        ok(delete $got{replayed}, 'is a replay');
        is_deeply(\%got, \%want, 'of the whole answer');
    }
    is(@{$s->ledger('again')->{ai}}, 1, 'the AI was asked once');
    is(@{$s->ledger('again')->{platform}}, 1, 'the platform too');
    is($s->post_message('elsewhere', 'm1', 'hello')->json->{result}{replayed} // 0, 0, 'the same id in another conversation is another message');
    is($s->post_message('again', 'm2', 'hello')->json->{result}{replayed} // 0, 0, 'the same text under another id too');
    return;
}

sub all_at_once {
    my $s = shift;
    $s->control(conversation_id => 'flood', ai => {delay_ms => 800});
    my @answers = $s->burst([map { $s->message('flood', 'm1', 'hello') } 1 .. 60]);
    my %outcomes;
    $outcomes{$_->outcome}++ for @answers;
    is_deeply([sort keys %outcomes], ['completed', 'locked'], 'one completes, duplicates of a running turn are locked') or diag(explain(\%outcomes));
    ok((grep { $_->outcome eq 'locked' && $_->json->{result}{reason} eq 'processing_in_progress' } @answers) > 0, 'with the reason');
    is(@{$s->ledger('flood')->{ai}}, 1, 'one AI call');
    is(scalar(() = $s->replies('flood')), 1, 'one reply');
    return;
}

# A message that joined another's turn has that turn's outcome.
sub of_a_merged_message {
    my $s = shift;
    $s->control(conversation_id => 'merged', ai => {delay_ms => 700});
    my $first = $s->background($s->message('merged', 'm1', 'one'));
    wait_for('the AI call', 10, sub { @{$s->ledger('merged')->{ai}} > 0 });
    is($s->post_message('merged', 'm2', 'two')->outcome, 'locked', 'a message during the turn is recorded');
    is($first->()->outcome, 'restart_needed', 'the turn has newer messages');
    ok(wait_for('one reply to both', 20, sub { my $c = $s->covered('merged'); $c->{m1} && $c->{m2} }), 'the daemon answers both');
    my @again;
    ok(wait_for('the outcome', 10, sub { @again = map { $s->post_message('merged', $_, 'x') } qw(m1 m2); !grep { $_->outcome ne 'completed' } @again }),
        'both are completed now') or diag($again[0]->text);
    is($again[0]->json->{result}{turn_id}, $again[1]->json->{result}{turn_id}, 'by one turn');
    is(scalar(() = $s->replies('merged')), 1, 'with one reply');
    return;
}

# The mark is gone (48 h later), the archive knows.
sub long_ago {
    my $s = shift;
    my @old = (timestamp => time - 2 * 86400);
    is($s->post_message('old', 'm1', 'long ago', @old)->outcome, 'completed', 'an old message that nobody has seen is answered');
    ok(wait_for('the archive', 20, sub { ($s->psql_try("SELECT count(*) FROM messages WHERE conversation_id = 'old'") || [0])->[0] == 1 }), 'and archived');
    is($s->redis('DEL', 'message:old:m1'), 1, 'its mark is forgotten');
    my $again = $s->post_message('old', 'm1', 'long ago', @old);
    is($again->status, 200, 'the archive is asked');
    is($again->json->{result}{replayed}, JSON::PP::true(), 'and knows it') or diag($again->text);
    is($again->json->{result}{message_id}, 'm1', 'message_id');
    is($again->outcome, 'completed', 'status');
    is(scalar(() = $s->replies('old')), 1, 'it is not answered again');
    $s->kill_postgres;
    my $unsure = $s->post_message('old', 'm9', 'long ago too', @old);
    is($unsure->status, 503, 'archive down: nobody can say, the sender keeps it') or diag($unsure->text);
    like($unsure->header('Retry-After') // '', qr/^\d+$/, 'and tries again later');
    is($s->post_message('old', 'm10', 'new')->outcome, 'completed', 'a new message does not wait');
    $s->start_postgres;
    my $answer = wait_for('the archive', 40, sub { my $a = $s->post_message('old', 'm9', 'long ago too', @old); $a->status != 503 && $a });
    is($answer && $answer->outcome, 'completed', 'archive back: it is answered');
    return;
}

for my $part (['sqlite', 'apache'], ['redis', 'lighttpd']) {
    my ($store, $web) = @$part;
    subtest "$store behind $web" => sub {
        my $absent = missing($web, $store eq 'redis' ? qw(redis postgres) : ());
        plan skip_all => "$absent is not installed" if $absent;
        my $s = Stack->start(web => $web, store => $store);
        one_after_the_other($s);
        all_at_once($s);
        of_a_merged_message($s);
        long_ago($s) if $store eq 'redis';
        is($s->double_stats->{duplicate_messages}, 0, 'no message is covered twice');
        $s->end_well;
    };
}

done_testing;
