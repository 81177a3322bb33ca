#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# Replies on their way to Pancake's page API when something goes wrong: what may have arrived is looked for before it is sent again, so that people see
# each piece of each reply once and in order; what was refused is not repeated; a page that says "too many" is left alone by every process; and the limit
# of calls is kept by all of them together. What people see at the double, and when each call came there, is the judge.
# PAGES_BURST: replies of the burst (40). SEED=n repeats its order. STACK=regexp: the stacks that have such names.
use strict;
use warnings;
use utf8;
use FindBin;
use lib "$FindBin::Bin/../lib";
use List::Util qw(max min);
use Test::More;
use Time::HiRes qw(sleep time);
use Stack;
use Stack::Pages;

my $SEED = int($ENV{SEED} || time ^ $$);
my $BURST = $ENV{PAGES_BURST} || 40;
note("SEED=$SEED PAGES_BURST=$BURST");
my ($true, $false) = (JSON::PP::true(), JSON::PP::false());
my $s;

# A text of `n` parts, each a message of its own.
sub parts { my $n = shift; return join "\n\n", map { "P$_ " . join ' ', ("part $_ of the reply") x 80 } 1 .. $n }
# What people see of the bot: the first word of each message.
sub heads { my $conversation = shift; return join ' ', map { $_->{text} =~ /^(P\d)/ ? $1 : 'R' } $s->page_replies($conversation) }
sub calls_of { my ($conversation, $kind) = @_; return grep { $_->{call} eq $kind } $s->page_calls(conversation_id => $conversation) }

# ---- one thing goes wrong, each in a conversation and a page of its own, all at the same time ----

# name => {rules (of this conversation), seen (heads), sends, reads (least), most_reads, parts, options}
my %cases = (
    none         => {rules => [], sends => 1, reads => 0, most_reads => 0},
    hang         => {rules => [{do => 'hang', times => 1}], sends => 1, reads => 1},
    hang_lost    => {rules => [{do => 'hang', store => $false, times => 1}], sends => 2, reads => 2},
    cut          => {rules => [{do => 'cut', times => 1}], sends => 1, reads => 1},
    cut_lost     => {rules => [{do => 'cut', store => $false, times => 1}], sends => 2, reads => 2},
    half         => {rules => [{do => 'half', times => 1}], sends => 1, reads => 1},
    late_500     => {rules => [{do => 'status', status => 500, store => $true, times => 1}], sends => 1, reads => 1},
    bad_gateway  => {rules => [{do => 'status', status => 502, times => 1}], sends => 2, reads => 2},
    timeout_408  => {rules => [{do => 'status', status => 408, store => $true, times => 1}], sends => 1, reads => 1},
    garbage      => {rules => [{do => 'body', body => 'it <is> not', times => 1}], sends => 1, reads => 1},
    html         => {rules => [{do => 'body', body => '<html><body>502 Bad Gateway</body></html>', times => 1}], sends => 1, reads => 1},
    success_null => {rules => [{do => 'body', body => '{"success":null}', times => 1}], sends => 1, reads => 1},
    success_null_lost => {rules => [{do => 'body', body => '{"success":null}', store => $false, times => 1}], sends => 2, reads => 2},
    refused_0    => {rules => [{do => 'body', body => '{"success":0}', store => $false, times => 1}], seen => '', sends => 1, reads => 0, most_reads => 0},
    empty        => {rules => [{do => 'body', body => '', times => 1}], sends => 1, reads => 1},
    slow         => {rules => [{do => 'slow', slow_ms => 1000, times => 1}], sends => 1, reads => 0, most_reads => 0},
    busy_503     => {rules => [{do => 'status', status => 503, times => 2}], sends => 3, reads => 0, most_reads => 0},
    busy_429     => {rules => [{do => 'status', status => 429, retry_after => 1, times => 2}], sends => 3, reads => 0, most_reads => 0},
    refused      => {rules => [{do => 'success_false', times => 1}], seen => '', sends => 1, reads => 0, most_reads => 0},
    refused_400  => {rules => [{do => 'status', status => 400, times => 1}], seen => '', sends => 1, reads => 0, most_reads => 0},
    refused_403  => {rules => [{do => 'status', status => 403, times => 1}], seen => '', sends => 1, reads => 0, most_reads => 0},
    token_401    => {rules => [{do => 'status', status => 401, times => 1}], sends => 2, reads => 0, most_reads => 0},
    read_fails   => {rules => [{do => 'hang', times => 1}, {call => 'read', do => 'status', status => 500, times => 1}], sends => 1, reads => 2},
    read_limited => {rules => [{do => 'cut', times => 1}, {call => 'read', do => 'status', status => 429, retry_after => 1, times => 1}], sends => 1, reads => 2},
    read_garbage => {rules => [{do => 'cut', times => 1}, {call => 'read', do => 'body', body => '{"success":true', times => 1}], sends => 1, reads => 2},
    read_refused => {rules => [{do => 'cut', times => 1}, {call => 'read', do => 'success_false', times => 1}], sends => 1, reads => 2},
    same_id      => {rules => [{do => 'duplicate_id', times => 2}], sends => 1, reads => 0},
    long         => {rules => [], parts => 3, seen => 'P1 P2 P3', sends => 3, reads => 0, most_reads => 0},
    long_hang    => {rules => [{text => 'P2', do => 'hang', times => 1}], parts => 3, seen => 'P1 P2 P3', sends => 3, reads => 1},
    long_lost    => {rules => [{text => 'P2', do => 'hang', store => $false, times => 1}], parts => 3, seen => 'P1 P2 P3', sends => 4, reads => 2},
    long_cut     => {rules => [{text => 'P1', do => 'cut', times => 1}], parts => 3, seen => 'P1 P2 P3', sends => 3, reads => 1},
    long_429     => {rules => [{text => 'P3', do => 'status', status => 429, retry_after => 1, times => 1}], parts => 3, seen => 'P1 P2 P3', sends => 4, reads => 0, most_reads => 0},
    long_last    => {rules => [{text => 'P3', do => 'half', times => 1}], parts => 3, seen => 'P1 P2 P3', sends => 3, reads => 1},
);

# The case's conversation is its name, its page "page-<name>".
sub begin_cases {
    my @names = @_;
    $s->control(conversation_id => $_, ai => {text => parts($cases{$_}{parts})}) for grep { $cases{$_}{parts} } @names;
    $s->misbehave(map { my $name = $_; map { {call => 'send', conversation_id => $name, %$_} } @{$cases{$name}{rules}} } @names);
    my $said = $s->people_say(messages => [map { {page => "page-$_", conversation_id => $_, text => "hello <$_> & \"all\""} } @names]);
    $s->deliver_all($said->{webhooks}, what => 'the cases');
    return;
}

sub judge_case {
    my $name = shift;
    my $case = $cases{$name};
    my $seen = $case->{seen} // 'R';
    is(heads($name), $seen, "$name: people see " . ($seen || 'nothing'));
    my ($sends, $reads) = map { scalar(() = calls_of($name, $_)) } qw(send read);
    is($sends, $case->{sends}, "$name: $case->{sends} sends");
    cmp_ok($reads, '>=', $case->{reads}, "$name: reads back $case->{reads} times at least");
    cmp_ok($reads, '<=', $case->{most_reads} // 6, "$name: and not on and on");
    return;
}

sub each_case {
    my @names = sort keys %cases;
    begin_cases(@names);
    for my $name (@names) {
        my $want = $cases{$name}{seen} // 'R';
        wait_for("the end of $name", 40, sub { heads($name) eq $want && !grep { calls_of($name, $_) < $cases{$name}{$_ . 's'} } qw(send read) }) or diag("$name: " . heads($name));
    }
    $s->quiet(3); # whoever repeats too much does it now
    judge_case($_) for @names;
    my %used = map { $_ => 0 } @names;
    $used{$_->{conversation_id}} += $_->{used} for @{$s->pages};
    is(join(' ', grep { @{$cases{$_}{rules}} && !$used{$_} } @names), '', 'what should go wrong did');
    $s->misbehave;
    my $next = $s->people_say(messages => [map { {page => "page-$_", conversation_id => $_, text => 'next'} } @names]);
    $s->control(conversation_id => $_, ai => {text => undef}) for grep { $cases{$_}{parts} } @names;
    $s->deliver_all($next->{webhooks}, what => 'the next ones');
    for my $name (@names) {
        my $want = join ' ', grep { length } $cases{$name}{seen} // 'R', 'R';
        ok(wait_for("the next reply of $name", 40, sub { heads($name) eq $want }), "$name: the next message is answered") or diag(heads($name));
    }
    is($s->quiet(2), '', 'then there is peace');
    return;
}

# What the archive says of the actions.
sub archived {
    ok(wait_for('the archive', 40, sub { ($s->psql_try("SELECT count(*) FROM message_actions WHERE conversation_id = 'refused'") || [0])->[0] }), 'the archive has them')
        or return;
    my %of = map { /^(.*?)\|(.*)/ ? ($1 => $2) : () } $s->psql(q{SELECT conversation_id, (array_agg(status ORDER BY created_at))[1] FROM message_actions GROUP BY conversation_id});
    is(join(' ', map { "$_:" . ($of{$_} // '?') } grep { ($of{$_} // '') ne 'executed' } sort grep { !defined $cases{$_}{seen} || $cases{$_}{seen} ne '' } keys %cases),
        '', 'what people see was executed, says the archive');
    is(join(' ', map { "$_:" . ($of{$_} // '?') } grep { ($of{$_} // '') eq 'executed' || ($of{$_} // '') eq 'unknown' } qw(refused refused_0 refused_400 refused_403)),
        '', 'what was refused was not, and that is known');
    return;
}

# An answer of nothing but what no page can do: the page is not asked, and nobody is told that it has refused.
sub impossible {
    $s->control(conversation_id => 'impossible', ai => {text => 'wait', actions => [{type => 'execute_api', data => {name => 'book_a_table'}}]});
    my $said = $s->customer('impossible', 'a table for two', page => 'page-none');
    $s->deliver($said);
    my $path = '/api/v1/admin/messages/' . $said->{data}{message}{id} . '?conversation_id=impossible';
    my $fate = wait_for('the end of a reply that no page can do', 30, sub { my $f = $s->admin($path)->json; $f->{ended_at} && $f }) || $s->admin($path)->json;
    is("$fate->{status} $fate->{reason} $fate->{steps}[-1]{step}", 'completed no_executable_action skipped', 'its reason is its own') or diag(explain($fate));
    is(scalar(() = calls_of('impossible', 'send')), 0, 'the page was not asked');
    if ($s->{postgres}) {
        my $sql = q{SELECT string_agg(action_type || ' ' || status, ', ') FROM message_actions WHERE conversation_id = 'impossible'};
        ok(wait_for('its actions in the archive', 40, sub { (($s->psql_try($sql) || [])->[0] // '') eq 'execute_api dropped' }), 'the archive has the action as dropped');
    }
    $s->control(conversation_id => 'impossible', ai => {text => undef, actions => undef});
    $s->deliver($s->customer('impossible', 'hello', page => 'page-none'));
    ok(wait_for('the next reply', 30, sub { heads('impossible') eq 'R' }), 'the next message is answered');
    return;
}

# ---- what is read comes late, or as other things ----

# Each in a conversation and, where it is about reading, a time of its own; whoever would send again has done it by the end.
sub found {
    $s->pages(visible_after => 2, no_originals => $true);
    $s->misbehave({call => 'send', conversation_id => 'late', do => 'hang', times => 1});
    $s->deliver($s->customer('late', "it's <b>late</b> & dark\nhere", page => 'page-none'));
    ok(wait_for('the second read', 30, sub { calls_of('late', 'read') >= 2 }), 'it is not there at first: looked for again');
    $s->pages(visible_after => 0, no_originals => $false, numeric_ids => $true);
    $s->misbehave({call => 'send', conversation_id => 'numeric', do => 'cut', times => 1});
    $s->deliver($s->customer('numeric', 'ids are numbers', page => 'page-slow'));
    ok(wait_for('the read', 30, sub { calls_of('numeric', 'read') }), 'ids that are numbers are read');
    $s->pages(numeric_ids => $false);
    # behind more than one read's worth of messages
    $s->deliver($s->customer('crowded', 'hello', page => 'page-long'));
    ok(wait_for('the first reply', 20, sub { heads('crowded') eq 'R' }), 'a conversation with much in it');
    $s->misbehave({call => 'send', conversation_id => 'crowded', do => 'hang', times => 1});
    $s->deliver($s->customer('crowded', 'another', page => 'page-long'));
    ok(wait_for('the send', 20, sub { heads('crowded') eq 'R R' }), 'the next reply arrives, and nobody says so');
    $s->people_say(messages => [map { {page => 'page-long', conversation_id => 'crowded', as => 'customer', text => "and $_"} } 1 .. 35]);
    # the echo has said that it arrived: nothing needs to be read
    $s->pages(webhook_url => "http://127.0.0.1:$s->{port}$Stack::WEBHOOKS", echo_times => 1, echo_delay_ms => 100);
    $s->misbehave({call => 'send', conversation_id => 'echoed', do => 'hang', times => 1});
    $s->deliver($s->customer('echoed', 'hello', page => 'page-cut'));
    ok(wait_for('the reply', 20, sub { heads('echoed') eq 'R' }), 'it arrives, its echo tells');
    $s->deliveries_done;
    $s->pages(echo_times => 0);
    ok(wait_for('the read', 30, sub { calls_of('crowded', 'read') >= 2 }), 'the crowd is read, more than a page of it');
    $s->quiet(5);
    is(heads('late'), 'R', 'a message that is shown late is not sent again');
    is(scalar(() = calls_of('late', 'send')), 1, 'one send');
    is(heads('numeric'), 'R', 'ids that are numbers are understood');
    is(heads('crowded'), 'R R', 'it is found behind 35 others');
    is(heads('echoed'), 'R', 'what an echo told of is not sent again');
    is(scalar(() = calls_of('echoed', 'read')), 0, 'and not looked for');
    $s->misbehave;
    return;
}

# Nobody can say: then nothing is sent again, and the conversation goes on when its time is over.
sub reads_never_work {
    $s->misbehave({call => 'send', conversation_id => 'blind', do => 'hang', times => 1}, {call => 'read', conversation_id => 'blind', do => 'status', status => 500});
    $s->deliver($s->customer('blind', 'hello', page => 'page-hang'));
    ok(wait_for('the send', 20, sub { calls_of('blind', 'send') }), 'it is sent');
    $s->quiet(8);
    is(heads('blind'), 'R', 'what cannot be looked for is not sent again');
    $s->misbehave;
    $s->deliver($s->customer('blind', 'next', page => 'page-hang'));
    ok(wait_for('the next reply', 60, sub { heads('blind') eq 'R R' }), 'the next message is answered');
    return;
}

# ---- too many ----

# After a 429 nobody calls the page before its time.
sub left_alone {
    my ($page, $wait_s) = @_;
    my @calls = sort { $a->{at_us} <=> $b->{at_us} } $s->page_calls(page => $page);
    my @early;
    for my $limited (grep { $_->{status} == 429 } @calls) {
        for my $call (@calls) {
            my $after = ($call->{at_us} - $limited->{end_us}) / 1e6;
            push @early, sprintf '%.3f s after', $after if $after > 0.15 && $after < $wait_s - 0.05; # what was on its way is no breach
        }
    }
    return join ', ', @early;
}

sub too_many {
    $s->misbehave({call => 'any', page => 'page-429', skip => 2, times => 1, do => 'status', status => 429, retry_after => 3},
        {call => 'any', page => 'page-429b', skip => 2, times => 2, do => 'status', status => 429});
    my $said = $s->people_say(messages => [map { my $n = $_; map { {page => "page-$_", conversation_id => "$_-$n", text => 'hello'} } qw(429 429b) } 1 .. 10]);
    $s->deliver_all($said->{webhooks}, what => 'two pages');
    for my $page (qw(429 429b)) {
        ok(wait_for("the replies of $page", 40, sub { !grep { heads("$page-$_") ne 'R' } 1 .. 10 }), "$page: all are answered once") or diag(join ' ', map { heads("$page-$_") } 1 .. 10);
    }
    is($s->used, '1 2', 'both pages said "too many"');
    is(left_alone('page-429', 3), '', 'no process calls within Retry-After');
    is(left_alone('page-429b', 0.9), '', 'nor within a second where nothing is said');
    is($s->quiet(2), '', 'then there is peace');
    $s->misbehave;
    return;
}

# ---- killed ----

# name => {rule, heads, calls (at the end at least) of send or read}: each hangs in a page of its own when all daemons are killed.
my %killed = (
    there  => {rule => {}, heads => 'R', reads => 1},
    lost   => {rule => {store => $false}, heads => 'R', sends => 2},
    middle => {rule => {text => 'P2'}, heads => 'P1 P2 P3', reads => 1},
);

sub killed {
    my @names = sort keys %killed;
    $s->control(conversation_id => 'middle', ai => {text => parts(3)});
    $s->misbehave(map { {call => 'send', conversation_id => $_, do => 'hang', times => 1, %{$killed{$_}{rule}}} } @names);
    $s->deliver_all([map { $s->customer($_, 'hello', page => "page-$_") } @names], what => 'three');
    ok(wait_for('the calls', 20, sub { $s->used eq '1 1 1' }), 'all three hang');
    $_->kill9 for $s->daemons;
    $s->start_daemon($_) for 1 .. $s->{daemons};
    for my $name (@names) {
        my $case = $killed{$name};
        ok(wait_for('the reply', 40, sub { heads($name) eq $case->{heads} && calls_of($name, 'send') >= ($case->{sends} // 0) && calls_of($name, 'read') >= ($case->{reads} // 0) }),
            "$name: it comes to its end") or diag(heads($name));
    }
    $s->quiet(3);
    is(heads($_), $killed{$_}{heads}, "$_: people see it once and in order") for @names;
    is($s->used, '1 1 1', 'each hung once');
    $s->misbehave;
    $s->control(conversation_id => 'middle', ai => {text => undef});
    $s->deliver_all([map { $s->customer($_, 'next', page => "page-$_") } @names], what => 'the next ones');
    for my $name (@names) {
        ok(wait_for('the next reply', 40, sub { heads($name) eq "$killed{$name}{heads} R" }), "$name: the next message is answered") or diag(heads($name));
    }
    return;
}

# ---- the limit ----

sub rates {
    my @at = sort { $a <=> $b } map { $_->{at_us} } grep { $_->{call} eq 'send' } $s->page_calls(page => 'p1');
    my $seconds = ($at[-1] - $at[0]) / 1e6;
    my $stats = $s->page_stats('p1');
    note(sprintf '%d sends in %.1f s: %.2f a second, at most %d in any second, %d over the limit; the shortest gap %.0f ms; the double was late by %d ms at most',
        scalar @at, $seconds, (@at - 1) / $seconds, $stats->{max_in_second}, $stats->{limited}, min(map { $at[$_] - $at[$_ - 1] } 1 .. $#at) / 1000, $stats->{late_ms});
    return ((@at - 1) / $seconds, $stats);
}

sub burst_of_replies {
    ok($s->swept, 'the sweeps of the start are over');
    my $two = int $BURST / 6;
    my @conversations = map { "b$_" } 1 .. $BURST - $two;
    my %of_two = map { $_ => 1 } @conversations[0 .. $two - 1];
    $s->control(conversation_id => $_, ai => {text => parts(2)}) for keys %of_two;
    my $said = $s->people_say(messages => [map { {page => 'p1', conversation_id => $_, text => "hello from $_"} } @conversations]);
    $s->deliver_all($said->{webhooks}, times => 2, seed => $SEED, what => 'the burst');
    sleep 1;
    my $begin = time;
    $s->deliver($s->customer('elsewhere', 'hello', page => 'p2'));
    ok(wait_for('the reply on another page', 20, sub { heads('elsewhere') eq 'R' }), 'another page does not wait for this one');
    note(sprintf 'it was answered in %.1f s', time - $begin);
    cmp_ok(scalar(() = grep { $_->{call} eq 'send' } $s->page_calls(page => 'p1')), '<', $BURST, 'which is not done then');
    ok(wait_for("$BURST sends", 30 + $BURST / 2, sub { sleep 0.3; (grep { $_->{call} eq 'send' && $_->{status} == 200 } $s->page_calls(page => 'p1')) >= $BURST }), "$BURST replies are sent");
    is($s->quiet(2), '', 'no more');
    my @wrong = grep { heads($_) ne ($of_two{$_} ? 'P1 P2' : 'R') } @conversations;
    is(scalar @wrong, 0, 'people see each once, and in order') or diag(join ' ', map { "$_: " . heads($_) } @wrong[0 .. min($#wrong, 9)]);
    my ($rate, $stats) = rates();
    is($stats->{limited}, 0, 'no call was over the limit');
    cmp_ok($stats->{max_in_second}, '<=', 5, 'never more than five in any second');
    cmp_ok($rate, '<=', 5, 'slower than the limit');
    cmp_ok($rate, '>=', 2, 'but not much');
    return;
}

# ---- stacks ----

sub stack {
    my ($name, $store, $options, $code) = @_;
    return if defined $ENV{STACK} && $name !~ /$ENV{STACK}/;
    return subtest $name => sub {
        my $absent = missing('lighttpd', $store eq 'redis' ? qw(redis postgres) : ());
        plan skip_all => "$absent is not installed" if $absent;
        $s = Stack->start_pages(store => $store, responders => 2, daemons => 2, %$options);
        $code->();
        is(join('', $s->leaks), '', 'no secret stands in a log');
        $s->end_well;
    };
}

my %env = (PANCAKE_SWEEP_MINUTES => 0, PANCAKE_TIMEOUT => 4, PROCESSING_LOCK_TTL => 4, AI_SERVICE_TIMEOUT => 15);
my @of_cases = map { "page-$_" } sort keys %cases;

for my $store (qw(redis sqlite)) {
    stack("what goes wrong, with $store", $store, {pages => [@of_cases, 'page-429', 'page-429b'], env => \%env}, sub {
        ok($s->swept, 'the sweeps of the start are over');
        each_case();
        archived() if $s->{postgres};
        impossible();
        found();
        reads_never_work();
        too_many();
    });
    stack("killed, with $store", $store, {pages => [map { "page-$_" } sort keys %killed], env => \%env}, sub {
        killed();
        is($s->double_stats->{fence_regressions}, 0, 'no fence goes back');
    });
}
stack('a burst for one page', 'redis', {responders => 4, daemons => 3, env => {PANCAKE_SWEEP_MINUTES => 0, AI_SERVICE_TIMEOUT => 15}}, \&burst_of_replies);

diag("SEED=$SEED") if !Test::More->builder->is_passing;
done_testing;
