#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# Webhooks of Pancake's page API: each message that a customer wrote is answered once, whatever the order and however often its webhook comes; comments
# are answered as comments; a person of the page silences the bot, its own echoes do not; edits and removals count; nobody else gets in; and the answer
# is there at once. What people see at the double is the judge.
# SEED=n repeats a run's order. STACK=regexp, ONLY=regexp: the stacks and their parts that have such names.
use strict;
use warnings;
use utf8;
use FindBin;
use lib "$FindBin::Bin/../lib";
use Digest::SHA qw(hmac_sha256_hex);
use List::Util qw(max sum);
use Test::More;
use Time::HiRes qw(sleep time);
use Stack;
use Stack::Pages;

my $SEED = int($ENV{SEED} || time ^ $$);
note("SEED=$SEED");

my $s;
my ($true, $false) = (JSON::PP::true(), JSON::PP::false());

# A part of a stack's test, if it is wanted.
sub part {
    my ($name, $code) = @_;
    return if defined $ENV{ONLY} && $name !~ /$ENV{ONLY}/;
    return subtest $name => $code;
}

sub median { my @sorted = sort { $a <=> $b } @_; return $sorted[@sorted / 2] }
# The one reply that a conversation comes to have; fails when there is none or another.
sub one_reply {
    my ($conversation, $what) = @_;
    my $found = wait_for("a reply in $conversation", 20, sub { my @r = $s->page_replies($conversation); @r && $r[-1] });
    is(scalar(() = $s->page_replies($conversation)), 1, "$what: one reply");
    return $found || {text => '', id => '', reply_to => ''};
}
# What the AI was shown last, as one line: "role text|role text".
sub shown {
    my $conversation = shift;
    my @calls = grep { $_->{body} } @{$s->ledger($conversation)->{ai}};
    return @calls ? join('|', map { "$_->{role} $_->{content}" } @{$calls[-1]{body}{messages}}) : '';
}
sub asked_times { my $conversation = shift; return scalar @{$s->ledger($conversation)->{ai}} }

# ---- many ----

# Every one of these ids is answered by exactly one reply, nothing else is, and as many replies were sent as are seen.
sub judge {
    my ($what, $ids, $seconds) = @_;
    my $all = wait_for("$what: all replies", $seconds, sub { my $t = $s->answered_messages; !grep { !$t->{$_} } @$ids });
    my $times = $s->answered_messages;
    ok($all, "$what: all " . @$ids . ' messages are answered') or diag(join ' ', 'not:', grep { !$times->{$_} } @$ids);
    is($s->quiet(1, 'sends'), '', "$what: then there is peace");
    $times = $s->answered_messages;
    is(join(' ', grep { $times->{$_} != 1 } sort keys %$times), '', "$what: each once");
    my %wanted = map { $_ => 1 } @$ids;
    is(join(' ', grep { !$wanted{$_} } sort keys %$times), '', "$what: no other");
    my $stats = $s->page_stats;
    is($stats->{limited}, 0, "$what: no call was over the limit") or diag(Stack::Client->encode($stats));
    is($s->double_stats->{ai_max_parallel_per_conversation}, 1, "$what: never two AI calls of one conversation");
    return;
}

sub crowd_says {
    my ($name, $conversations, $most, $seed) = @_;
    my @pages = @{$s->{pages}};
    srand $seed;
    return map {
        my $c = $_;
        map { {page => $pages[$c % @pages], conversation_id => "$name$c", text => "message $_ of $name$c", customer_id => "person $name$c"} } 1 .. 1 + int rand $most
    } 1 .. $conversations;
}

sub three_times_in_any_order {
    my $conversations = shift;
    $s->control(ai => {delay_ms => 100});
    my $said = $s->people_say(messages => [crowd_says('order', $conversations, 4, $SEED)]);
    $s->deliver_all($said->{webhooks}, times => 3, seed => $SEED, what => 'three times each') or return;
    judge('by hand', $said->{ids}, 60);
    return @{$said->{ids}};
}

# The double tells of everything itself, the page's own messages too, before and after the answer to the send.
sub as_pancake_does {
    my ($conversations, @before) = @_;
    my @ids = @before;
    for my $first (0, 1) {
        my $name = $first ? 'first' : 'behind';
        $s->pages(webhook_url => "http://127.0.0.1:$s->{port}$Stack::WEBHOOKS", echo_times => 2, echo_delay_ms => $first ? 0 : 30, echo_first => $first ? $true : $false,
            webhook_retries => 20);
        my $said = $s->people_say(messages => [crowd_says($name, $conversations, 3, $SEED + 1 + $first)], times => 3, seed => 1 + $SEED % 1_000_000, spread_ms => 2500);
        push @ids, @{$said->{ids}};
        judge("echoes $name", \@ids, 60);
        my $d = $s->deliveries_done or next;
        is($d->{given_up}, 0, 'the webhooks are all taken') or diag(Stack::Client->encode($d));
        # nobody has taken over: the same people are answered again
        my $again = $s->people_say(messages => [map { {page => $s->{pages}[$_ % @{$s->{pages}}], conversation_id => "$name$_", text => 'once more'} } 1 .. $conversations], times => 1);
        push @ids, @{$again->{ids}};
        judge("$name, again", \@ids, 60);
        $s->deliveries_done;
    }
    $s->pages(echo_times => 0);
    return;
}

# ---- kinds ----

sub comments {
    my $first = $s->customer('post1_c1', 'how much is it?', type => 'COMMENT', post_id => 'p1_post1');
    is($s->deliver($first)->status, 200, 'a comment is taken');
    my $reply = one_reply('post1_c1', 'a comment');
    is($reply->{reply_to}, Stack::hook_id($first), 'which is to that comment');
    my $second = $s->customer('post1_c1', 'and in blue?', type => 'COMMENT', post_id => 'p1_post1');
    $s->deliver($second) for 1 .. 2;
    ok(wait_for('the next reply', 20, sub { $s->page_replies('post1_c1') == 2 }), 'the next comment is answered');
    is(($s->page_replies('post1_c1'))[-1]{reply_to}, Stack::hook_id($second), 'as itself');
    return;
}

sub attachments {
    $s->control(ai => {keep => $true});
    my %of = (photo => '[image]', video => '[video]', audio => '[audio]', file => '[file]', sticker => '[sticker]');
    for my $type (sort keys %of) {
        my $hook = $s->customer("with-$type", '', attachments => [{type => $type, url => 'https://content.example.com/x'}]);
        $s->deliver($hook);
        one_reply("with-$type", "only a $type");
        like(shown("with-$type"), qr/user \Q$of{$type}\E$/, "the AI is told $of{$type}");
    }
    $s->deliver($s->customer('with-both', 'look at this', attachments => [{type => 'photo', url => 'https://content.example.com/y'}]));
    one_reply('with-both', 'a text and a picture');
    like(shown('with-both'), qr/user look at this$/, 'the text is what is asked');
    my $html = $s->customer('with-html', "a < b & c\nd");
    delete $html->{data}{message}{original_message};
    $s->deliver($html);
    one_reply('with-html', 'markup alone');
    like(shown('with-html'), qr/user a < b & c\nd$/, 'is read without its markup');
    my $numeric = $s->customer('with-number', 'ids are numbers');
    my $id = Stack::hook_id($numeric);
    $_->{data}{message}{id} = 0 + $id for $numeric;
    $s->deliver($numeric) for 1 .. 2;
    like(one_reply('with-number', 'an id that is a number')->{text}, qr/\[$id\]/, 'is the same id');
    return;
}

# ---- people and echoes ----

sub a_person {
    $s->control(ai => {delay_ms => 0});
    $s->control(conversation_id => 'taken', ai => {delay_ms => 1500});
    $s->deliver($s->customer('taken', 'is anybody there?'));
    ok(wait_for('the AI call', 10, sub { asked_times('taken') }), 'the bot begins to answer');
    is($s->deliver($s->staff('taken', 'I am here'))->status, 200, 'a person answers first');
    my $begin = time;
    $s->deliver($s->customer('other', 'and me?'));
    one_reply('other', 'another conversation');
    # a person who writes what the bot would have written in another conversation is a person all the same
    my $text = ($s->page_replies('other'))[0]{text};
    $s->deliver($s->customer('copied', 'hello'));
    one_reply('copied', 'before');
    $s->deliver($s->staff('copied', $text));
    sleep max(0, $begin + 2.5 - time);
    is(scalar(() = $s->page_replies('taken')), 0, 'the bot keeps silent');
    $s->control(conversation_id => 'taken', ai => {delay_ms => 0});
    $s->deliver($s->customer('taken', 'good'));
    $s->deliver($s->customer('copied', 'hello again'));
    is($s->quiet(2, 'sends'), '', 'and goes on to');
    is(scalar(() = $s->page_replies('taken')), 0, 'while the person is there');
    is(scalar(() = $s->page_replies('copied')), 1, 'the same words of a person are not an echo elsewhere');
    # a long reply is going out, three seconds long, and a person comes
    $s->control(conversation_id => 'long', ai => {text => join "\n\n", map { "P$_ " . join ' ', ("part $_") x 150 } 1 .. 12});
    $s->deliver($s->customer('long', 'tell me everything'));
    ok(wait_for('the first part', 20, sub { $s->page_replies('long') > 0 }), 'a long reply begins');
    is($s->deliver($s->staff('long', 'I see to it'))->status, 200, 'a person takes over');
    is($s->quiet(2, 'sends'), '', 'no more is sent') if wait_for('peace', 20, sub { $s->quiet(1, 'sends') eq '' });
    cmp_ok(scalar(grep { $_->{text} =~ /^P\d/ } $s->page_replies('long')), '<', 12, 'the rest of it is not sent');
    $s->deliver($s->customer('long', 'thank you'));
    is($s->quiet(1, 'sends'), '', 'nor anything else');
    return;
}

# The answer to the send was lost: only its text tells that an echo is our own.
sub lost_answer {
    $s->pages(echo_times => 2, echo_delay_ms => 50, echo_first => $false, webhook_url => "http://127.0.0.1:$s->{port}$Stack::WEBHOOKS");
    $s->misbehave({call => 'send', conversation_id => 'lost', do => 'cut', delay_ms => 300, times => 1});
    $s->deliver($s->customer('lost', 'hello <there> & "you"'));
    my $reply = one_reply('lost', 'the answer to its send is lost');
    $s->deliveries_done;
    $s->deliver($s->customer('lost', 'and now?'));
    ok(wait_for('the next reply', 20, sub { $s->page_replies('lost') == 2 }), 'its echo was known by its text: the bot goes on');
    is($s->used, '1', 'the answer was lost');
    $s->misbehave;
    $s->pages(echo_times => 0);
    return;
}

# ---- edits and removals ----

sub edits {
    $s->control(ai => {delay_ms => 1200, keep => $true});
    my $hook = $s->customer('edit1', 'two please');
    $s->deliver($hook);
    ok(wait_for('the AI call', 10, sub { asked_times('edit1') }), 'a message is being answered');
    my $edit = $s->edits('edit1', Stack::hook_id($hook), 'three please');
    $s->deliver($_) for $edit, $edit, $hook;
    my $reply = one_reply('edit1', 'edited before the answer');
    like($reply->{text}, qr/three please/, 'to what it says now');
    unlike($reply->{text}, qr/two please/, 'not to what it said');
    $s->control(ai => {delay_ms => 0});

    my $late = $s->customer('edit2', 'four please');
    my $new = $s->edits('edit2', Stack::hook_id($late), 'five please');
    $s->deliver($new);
    like(one_reply('edit2', 'the edit comes first')->{text}, qr/five please/, 'to the edit');
    is($s->deliver($late)->status, 200, 'the message itself comes later');

    my $answered = $s->customer('edit3', 'six please');
    $s->deliver($answered);
    one_reply('edit3', 'before the edit');
    my $after = $s->edits('edit3', Stack::hook_id($answered), 'seven please');
    $s->deliver_all([$after], times => 3, connections => 3);
    ok(wait_for('the reply to the edit', 20, sub { $s->page_replies('edit3') == 2 }), 'an edit of what was answered is answered');
    like(($s->page_replies('edit3'))[-1]{text}, qr/seven please/, 'as it is now');
    my $same = $s->customer('edit4', 'eight please');
    $s->deliver($same);
    one_reply('edit4', 'as it was');
    $same->{data}{message}{edit_history} = [];
    $same->{data}{message}{seen} = $true;
    $same->{data}{conversation}{seen} = $true;
    $s->deliver($same);

    # there and back again, the last state told first
    my $back = $s->customer('edit5', 'nine please');
    my @states = ($back, map { $s->edits('edit5', Stack::hook_id($back), $_) } 'ten please', 'nine please');
    is(scalar @{$states[2]{data}{message}{edit_history}}, 2, 'the platform tells of both edits');
    $s->control(ai => {delay_ms => 1200});
    $s->deliver($states[0]);
    ok(wait_for('the AI call', 10, sub { asked_times('edit5') }), 'a message is being answered');
    $s->deliver($_) for @states[2, 1, 0, 2, 1, 2];
    my $last = one_reply('edit5', 'edited back');
    like($last->{text}, qr/nine please/, 'to what it says in the end');
    unlike($last->{text}, qr/ten please/, 'not to what it said between');
    $s->control(ai => {delay_ms => 0});
    is($s->quiet(2, 'sends'), '', 'that was all');
    is(scalar(() = $s->page_replies('edit5')), 1, 'an edit back is answered with the message');
    is(scalar(() = $s->page_replies('edit1')), 1, 'the message as it was got no answer of its own');
    is(scalar(() = $s->page_replies('edit2')), 1, 'nor did one that came behind its edit');
    is(scalar(() = $s->page_replies('edit3')), 2, 'an edit is answered once');
    is(scalar(() = $s->page_replies('edit4')), 1, 'an update that changes no text is not answered');
    return;
}

sub removals {
    $s->control(ai => {delay_ms => 1200, keep => $true});
    my $hook = $s->customer('gone1', 'forget it');
    $s->deliver($hook);
    ok(wait_for('the AI call', 10, sub { asked_times('gone1') }), 'a message is being answered');
    $s->deliver($s->removes('gone1', Stack::hook_id($hook))) for 1 .. 2;
    my @two = map { $s->customer('gone2', $_) } 'the first', 'the second';
    $s->deliver($two[0]);
    ok(wait_for('the AI call', 10, sub { asked_times('gone2') }), 'two are being answered');
    $s->deliver($two[1]);
    $s->deliver($s->removes('gone2', Stack::hook_id($two[0])));
    my $reply = one_reply('gone2', 'one of two is taken back');
    like($reply->{text}, qr/the second/, 'to the other');
    unlike($reply->{text}, qr/the first/, 'not to it');
    $s->control(ai => {delay_ms => 0});
    my $done = $s->customer('gone3', 'answered already');
    $s->deliver($done);
    one_reply('gone3', 'before the removal');
    is($s->deliver($s->removes('gone3', Stack::hook_id($done)))->status, 200, 'what was answered is taken back');
    is($s->quiet(2, 'sends'), '', 'then there is peace');
    is(scalar(() = $s->page_replies('gone1')), 0, 'to what was taken back nothing is sent');
    is(scalar(() = $s->page_replies('gone2')), 1, 'to one of two once');
    is(scalar(() = $s->page_replies('gone3')), 1, 'nothing is said when it was answered before');
    $s->deliver($s->customer('gone3', 'next'));
    ok(wait_for('the next reply', 20, sub { $s->page_replies('gone3') == 2 }), 'the conversation goes on');
    return;
}

# ---- who may, and what else comes ----

# What the responders have logged so far at level WARNING, decoded.
sub warnings_logged {
    my @lines;
    for my $log (glob "$s->{dir}/logs/responder-*.log") {
        open my $fh, '<', $log or next;
        push @lines, map { Stack::Client->decode($_) } grep { /^\{.*"level":"WARNING".*\}$/ } <$fh>;
    }
    return @lines;
}

sub admission {
    my $hook = $s->customer('auth', 'hello');
    my %refused = (
        'nothing' => [401, auth => 'none'], 'a wrong secret' => [401, secret => 'wrong'], 'an empty secret' => [401, secret => ''],
        'half a secret' => [401, secret => substr $s->{webhook_secret}, 0, 10], 'a wrong token' => [401, auth => 'bearer', token => 'wrong'],
        'a wrong signature' => [401, auth => 'signature', secret => 'wrong'], 'no signature' => [401, auth => 'signature', signature => ''],
        'a signature of another body' => [401, auth => 'signature', signature => hmac_sha256_hex('{}', $s->{webhook_secret})],
        'half a signature' => [401, auth => 'signature', signature => '00'],
        'a page without a token' => [404, page => 'p999', body => Stack::Client->encode({%$hook, page_id => 'p999'})],
    );
    for my $what (sort keys %refused) {
        my ($status, %o) = @{$refused{$what}};
        my $answer = $s->deliver($hook, %o);
        is($answer->status, $status, "$what: $status") or diag($answer->text);
    }
    my @warnings = warnings_logged();
    is(scalar(grep { $_->{message} =~ /page that nobody answers here/ && $_->{page_id} eq 'p999' } @warnings), 1, 'a page without a token stands in the log, as a warning');
    is(scalar(grep { $_->{message} eq 'a request was refused' && ($_->{page_id} // '') eq 'p1' } @warnings), 9, 'and the page of each that was refused');
    is($s->quiet(1, 'sends'), '', 'none of it is answered');
    my @good = ([auth => 'secret'], [auth => 'signature'], [auth => 'bearer'], [secret => 'another-secret'], [auth => 'signature', secret => 'another-secret']);
    for my $n (0 .. $#good) {
        my $answer = $s->deliver($s->customer("auth$n", 'hello'), @{$good[$n]});
        is($answer->status, 200, join ' ', $good[$n][0], 'gets in') or diag($answer->text);
        one_reply("auth$n", "it");
    }
    my $get = $s->{client}->request(method => 'GET', path => $s->webhook($hook)->{path});
    is($get->status, 405, 'GET is not for this') or diag($get->text);
    return;
}

sub other_things {
    for my $type (qw(conversation post connect_status subscription something_new)) {
        my $answer = $s->deliver({page_id => 'p1', event_type => $type, data => {request_id => 'r1', timestamp => int time, version => 3, conversation => {id => 'other1'}}});
        is($answer->status, 200, "$type: taken") or diag($answer->text);
    }
    my $hook = $s->customer('garbage', 'hello');
    my %bad = (
        'no JSON' => 'hello', 'half of it' => substr(Stack::Client->encode($hook), 0, 100), 'an array' => '[]', 'nothing' => '', 'a number' => '5',
        'no data' => '{"page_id":"p1","event_type":"messaging"}', 'no message' => '{"page_id":"p1","event_type":"messaging","data":{"conversation":{"id":"x"}}}',
        'no ids' => '{"page_id":"p1","event_type":"messaging","data":{"conversation":{},"message":{"message":"x"}}}', 'not UTF-8' => "{\"page_id\":\"p1\xff\"}",
        "another page's" => Stack::Client->encode({%$hook, page_id => 'p2'}), 'deep' => '[' x 1000,
    );
    my %json = map { $_ => 1 } 'an array', 'a number', 'no data', 'no message', 'no ids', "another page's";
    for my $what (sort keys %bad) {
        my $answer = $s->deliver($hook, body => $bad{$what}, page => 'p1');
        my $status = $json{$what} ? 422 : 400;
        is($answer->status, $status, "$what: $status") or diag($answer->text);
    }
    is($s->deliver($hook, body => Stack::Client->encode({%$hook, junk => 'x' x 300_000}))->status, 413, 'too much of it');
    is($s->quiet(1, 'sends'), '', 'none of it is answered');
    is($s->deliver($hook)->status, 200, 'after which a good one is taken');
    one_reply('garbage', 'it');
    return;
}

# ---- at once ----

sub at_once {
    $s->control(ai => {delay_ms => 3000});
    my @hooks = map { $s->customer("fast$_", 'hello') } 1 .. 150;
    my (@health, @webhook);
    for my $hook (@hooks) {
        my $health = $s->get('/health');
        my $answer = $s->deliver($hook);
        push @health, $health->took if $health->status == 200;
        push @webhook, $answer->took if $answer->status == 200;
    }
    is(scalar @webhook, 150, 'all are taken');
    note(sprintf 'median %.2f ms, longest %.1f ms; /health %.2f ms and %.1f ms', 1000 * median(@webhook), 1000 * max(@webhook), 1000 * median(@health), 1000 * max(@health));
    cmp_ok(median(@webhook), '<', 20 * median(@health), 'a webhook takes not much longer than a question about health');
    cmp_ok(max(@webhook), '<', 3, 'none waits for the AI');
    $s->control(ai => {delay_ms => 0});
    ok(wait_for('the replies', 120, sub { !grep { !$s->page_replies("fast$_") } 1, 75, 150 }), 'they are answered all the same');
    return;
}

# ---- stacks ----

my @pages = map { "p$_" } 1 .. 8;
# Another limit than Pancake's, so that it is not what takes the time here; 96-pages-send.t is about the real one.
my %fast = (pages => \@pages, double_pages => {limit => 60});
my %env = (PANCAKE_CALLS_PER_SECOND => 60, LOG_LEVEL => 'DEBUG', AI_SERVICE_TIMEOUT => 15);

# A whole stack, its parts and its end.
sub stack {
    my ($name, $servers, $options, $code) = @_;
    return if defined $ENV{STACK} && $name !~ /$ENV{STACK}/;
    return subtest $name => sub {
        my $absent = missing(@$servers);
        plan skip_all => "$absent is not installed" if $absent;
        $s = Stack->start_pages(%fast, responders => 4, daemons => 2, env => \%env, %$options);
        $code->();
        is(join('', $s->leaks('another-secret')), '', 'no secret stands in a log');
        $s->end_well;
    };
}

sub many {
    my ($first, $then) = @_;
    my @ids = three_times_in_any_order($first) or return;
    as_pancake_does($then, @ids);
    return if !$s->{postgres};
    ok(wait_for('the archive', 60, sub { ($s->psql_try('SELECT count(*) FROM messages') || [0])->[0] >= @ids }), 'the archive gets them');
    is($s->psql('SELECT count(*) - count(DISTINCT (conversation_id, message_id)) FROM messages'), 0, 'each once');
    return;
}

stack('many, with Redis', [qw(lighttpd redis postgres)], {store => 'redis'}, sub { part('many' => sub { many(60, 40) }) });

stack('each kind, with Redis behind Apache', [qw(apache redis postgres)], {web => 'apache', store => 'redis', more_secrets => ['another-secret']}, sub {
    part('comments' => \&comments);
    part('attachments' => \&attachments);
    part('a person' => \&a_person);
    part('an answer that was lost' => \&lost_answer);
    part('edits' => \&edits);
    part('removals' => \&removals);
    part('who may' => \&admission);
    part('other things' => \&other_things);
    part('at once' => \&at_once);
});

stack('both, in SQLite', ['lighttpd'], {store => 'sqlite'}, sub {
    part('many' => sub { many(40, 20) });
    part('edits' => \&edits);
    part('removals' => \&removals);
    part('a person' => \&a_person);
    part('at once' => \&at_once);
});

diag("SEED=$SEED") if !Test::More->builder->is_passing;
done_testing;
