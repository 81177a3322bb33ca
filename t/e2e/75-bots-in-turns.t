#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# Bots of the database at work: who is asked and where replies go, in turns that came either way; changes that are in force everywhere within
# two seconds, while turns that run keep what they began with; bots that are switched off or cannot be used; a database that is away.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use JSON::PP ();
use List::Util qw(min);
use Test::More;
use Time::HiRes qw(sleep time);
use Stack;
use Stack::Fcgi;

my $json = JSON::PP->new->utf8->canonical->allow_nonref;
my $V1   = '/api/v1/admin';
my %SECRET = (KEY_ONE => 'sk-one-3f9a77c1', TOKEN_TWO => 'tk-two-81b2d6e4');
my $file_secret = 'sk-file-5e0c92ab';

# ---- the second double: an AI and a platform of their own ----

sub start_second {
    my $s = shift;
    $s->{second_port} = Stack::free_port();
    $s->{second} = Stack::Process->start(name => 'second double', log => "$s->{dir}/logs/second.log", command => ["$Stack::build/t/lib/double", '--port', $s->{second_port}]);
    $s->{second_client} = Stack::Client->new(port => $s->{second_port}, timeout => bound(30));
    wait_for('the second double', 20, sub { $s->{second_client}->request(path => '/health')->status == 200 }) or die 'no second double';
    return;
}

sub second { my ($s, $conversation) = @_; return $s->{second_client}->request(path => "/ledger?conversation_id=$conversation")->json }
sub second_url { "http://127.0.0.1:$_[0]{second_port}" }
# Of both doubles, in order of their start.
sub ai_calls {
    my ($s, $c) = @_;
    my @calls = sort { $a->{start_ms} <=> $b->{start_ms} } @{$s->ledger($c)->{ai}}, @{second($s, $c)->{ai}};
    return @calls;
}
sub bots_asked { join ' ', map { $_->{bot}{id} } ai_calls(@_) }

# ---- rows ----

sub admin {
    my ($s, $method, $path, $row) = @_;
    return $s->client->request(method => $method, path => "$V1/$path", headers => $s->admin_headers, (defined $row ? (json => $row) : ()));
}

# Makes or replaces: (bots => {...}), (platforms => {...}) ...
sub set {
    my ($s, $table, $row) = @_;
    my $a = admin($s, POST => $table, $row);
    $a = admin($s, PUT => "$table/" . ($row->{bot_id} // $row->{name}), $row) if $a->status == 409;
    die "$table: " . $a->text if $a->status !~ /^20[01]$/;
    return $a->json;
}

sub log_of { my ($p) = @_; open my $fh, '<', $p->{log} or return ''; local $/; return scalar <$fh> }

# The last line of a process that says what it has read of the database: (number of bots, version).
sub has_read {
    my @lines = log_of($_[0]) =~ /^(.*bots are as the database has them now.*)$/mg;
    my $line = @lines ? $json->decode($lines[-1]) : {};
    return ($line->{bots} // 0, $line->{version} // 0);
}

# Runs the code, and waits until every process has read what is in the database then.
sub in_force {
    my ($s, $what, $code) = @_;
    $code->() if $code;
    my $began = time;
    my $version = $s->{postgres} ? $s->psql('SELECT version FROM service_version') : 0;
    my $bots = admin($s, GET => 'bots?limit=1')->json->{total};
    my $all = sub { !grep { my ($n, $v) = has_read($_); $version ? $v < $version : $n != $bots } $s->responders, $s->daemons };
    ok(wait_for("all processes: $what", 10, $all), "$what: every process has read it");
    cmp_ok(time - $began, '<', bound(2), "$what: within two seconds");
    return;
}

# ---- messages ----

sub by_socket {
    my ($s, $n, $request) = @_;
    return Stack::Fcgi->request(%$request, socket => "$s->{dir}/turnkeeper/fcgi-$n.sock", timeout => bound(60));
}
sub say_to { my ($s, $bot, $c, $id, %o) = @_; return $s->message($c, $id, undef, metadata => {platform => 'web', (defined $bot ? (bot_id => $bot) : ())}, %o) }
sub say { my ($s, @message) = @_; return $s->client->request(%{say_to($s, @message)}) }

# B: a history of one message.
sub chat_request {
    my ($s, $bot, $c, $text) = @_;
    return {path => '/api/v1/chat/message', headers => $s->platform_headers,
        json => {conversation_id => $c, history => "<USER>$text</USER>", resources => {user_id => 'u', (defined $bot ? (bot_id => $bot) : ())}}};
}
sub chat { my ($s, @chat) = @_; return $s->client->request(%{chat_request($s, @chat)}) }
sub job { my ($s, $id) = @_; return $s->get("/api/v1/chat/jobs/$id", $s->platform_headers)->json || {} }
sub job_done {
    my ($s, $answer, $what) = @_;
    my $id = $answer->json->{ai_job_id} // '';
    my $job = wait_for("the job: $what", 30, sub { my $j = job($s, $id); ($j->{status} // '') =~ /^(completed|failed|cancelled)$/ && $j });
    ok($job, "$what: the job ends") or diag($answer->text);
    return $job || {};
}
sub archived { my ($s, $sql) = @_; return wait_for("the archive: $sql", 20, sub { my @rows = $s->psql($sql); @rows && \@rows }) || [] }

# ---- whom a message names ----

sub set_up {
    my $s = shift;
    set($s, 'ai-cores', {name => 'core', provider => 'native', base_url => second_url($s), path => '/one/process', api_key => 'env:KEY_ONE', model => 'm-1'});
    set($s, 'platforms', {name => 'page', provider => 'actions', base_url => second_url($s), path => '/two/actions', token => 'env:TOKEN_TWO'});
    set($s, 'platforms', {name => 'quiet', provider => 'actions', base_url => second_url($s), deliver => JSON::PP::false});
    set($s, 'bots', {bot_id => 'quiet', name => 'Quiet', platform => 'quiet'});
    set($s, 'bots', {bot_id => 'two', name => 'Two', system_prompt => 'Be two.'});
    set($s, 'bots', {bot_id => 'one', name => 'One', ai_core => 'core', platform => 'page', system_prompt => "Be \"one\".\n", settings => {tone => 'warm', on_newer => 'finish'},
        environments => {test => {settings => {tone => 'cold'}}}});
    return;
}

sub named_in_messages {
    my $s = shift;
    my $row = admin($s, GET => 'bots/one')->json;
    is(say($s, 'one', 'a1', 'm1')->outcome, 'completed', 'a message that names a bot is answered');
    my $seen = second($s, 'a1');
    is_deeply($seen->{ai}[0]{bot}, {id => 'one', name => 'One', version => $row->{version}, system_prompt => "Be \"one\".\n",
        settings => {tone => 'cold', on_newer => 'finish'}, model => 'm-1'}, 'its AI hears who it is, as it is in this environment');
    is("$seen->{ai}[0]{path} $seen->{ai}[0]{authorization}", "/one/process Bearer $SECRET{KEY_ONE}", 'at its address, with its key');
    is(scalar @{$seen->{platform}}, 1, 'and its platform has the reply');
    is("$seen->{platform}[0]{path} $seen->{platform}[0]{authorization}", "/two/actions Bearer $SECRET{TOKEN_TWO}", 'at its address, with its token');
    is_deeply($s->ledger('a1'), {ai => [], platform => []}, 'nobody else was asked');
    say($s, undef, 'a1', 'm2');
    is(bots_asked($s, 'a1'), 'one one', 'the conversation goes on with it');
    say($s, 'two', 'a1', 'm3');
    say($s, undef, 'a1', 'm4');
    is(bots_asked($s, 'a1'), 'one one two two', 'and then with the one that is named next');
    is($s->ledger('a1')->{ai}[1]{messages}, 7, 'which knows what was said before');
    is($s->ledger('a1')->{ai}[0]{bot}{system_prompt}, 'Be two.', 'as itself');
    is($s->ledger('a1')->{ai}[0]{authorized}, JSON::PP::false, 'without the key of the other');
    is(scalar(() = $s->replies('a1')), 2, 'its replies go to the platform of the environment');
    say($s, 'nobody', 'a1', 'm5');
    is(bots_asked($s, 'a1'), 'one one two two default', 'an unknown name stands for the default bot');
    say($s, undef, 'a2', 'm1');
    is(bots_asked($s, 'a2'), 'default', 'as does none');
    return;
}

sub named_in_histories {
    my $s = shift;
    my $answer = chat($s, 'one', 'b1', 'hello');
    is($answer->json->{bot_name}, 'One', 'a history that names a bot: its name is told') or diag($answer->text);
    my $job = job_done($s, $answer, 'of a history');
    is(bots_asked($s, 'b1'), 'one', 'it was asked');
    is(second($s, 'b1')->{ai}[0]{authorization}, "Bearer $SECRET{KEY_ONE}", 'with its key');
    is(scalar @{second($s, 'b1')->{platform}}, 1, 'its platform has the reply');
    is($job->{result}{pancake_result}{status}, 'success', 'says the job') or diag($json->encode($job));
    my $text = $job->{result}{ai_response}{response_text} // '';
    my $next = $s->client->request(%{chat_request($s, undef, 'b1', "hello</USER><BOT>$text</BOT><USER>and now?")});
    is($next->json->{bot_name}, 'One', 'the conversation goes on with it') or diag($next->text);
    job_done($s, $next, 'of what follows');
    is(bots_asked($s, 'b1'), 'one one', 'in the daemon, too');
    is(say($s, undef, 'b1', 'm9')->outcome, 'completed', 'and in a message');
    is(bots_asked($s, 'b1'), 'one one one', 'which it answers');
    is(chat($s, 'nobody', 'b2', 'hello')->json->{bot_name}, $s->{bot_name}, 'an unknown name: the name of the default bot');
    ok(wait_for('its turn', 20, sub { bots_asked($s, 'b2') eq 'default' }), 'which answers');
    return if !$s->{postgres};
    is(archived($s, "SELECT bot_id FROM jobs WHERE conversation_id = 'b1' ORDER BY created_at LIMIT 1")->[0], 'one', 'the archive knows whose job it was');
    return;
}

sub not_delivered {
    my $s = shift;
    my $answer = say($s, 'quiet', 'q1', 'm1');
    is($answer->outcome, 'completed', 'deliver false: a message is answered') or diag($answer->text);
    is_deeply({map { $_ => $answer->json->{result}{pancake_result}{$_} } qw(status reason actions_executed)}, {status => 'skipped', reason => 'not_delivered', actions_executed => 0},
        'and says that nothing was delivered');
    like($answer->json->{result}{ai_response}{response_text}, qr/\[m1\]/, 'with the reply');
    my $job = job_done($s, chat($s, 'quiet', 'q2', 'hello'), 'deliver false');
    is("$job->{status} $job->{result}{pancake_result}{status} $job->{result}{pancake_result}{reason}", 'completed skipped not_delivered', 'a job says the same');
    like($job->{result}{ai_response}{response_text}, qr/hello/, 'and has the reply');
    is(say($s, undef, 'q1', 'm2')->outcome, 'completed', 'the next one');
    is($s->ledger('q1')->{ai}[1]{messages}, 3, 'knows the reply that was not delivered');
    is_deeply($s->ledger('q1')->{ai}[1]{message_ids}, ['m2'], 'as an answer');
    is(scalar @{$s->ledger($_)->{platform}} + @{second($s, $_)->{platform}}, 0, "$_: no platform heard of it") for qw(q1 q2);
    return if !$s->{postgres};
    is_deeply(archived($s, "SELECT DISTINCT status FROM message_actions WHERE conversation_id = '$_'"), ['proposed'], "$_: its actions are archived as proposed") for qw(q1 q2);
    return;
}

# ---- changes ----

# Its platform's address and its policy change while its AI is asked.
sub running_turn_keeps {
    my $s = shift;
    my $seconds = min(20, bound(4)); # the AI has AI_SERVICE_TIMEOUT for it
    set($s, 'platforms', {name => 'moving', provider => 'actions', base_url => "http://127.0.0.1:$s->{double_port}"});
    in_force($s, 'a bot that will change', sub { set($s, 'bots', {bot_id => 'keeper', name => 'Keeper', platform => 'moving', settings => {on_newer => 'finish'}}) });
    my $old = admin($s, GET => 'bots/keeper')->json->{version};
    $s->control(conversation_id => $_, ai => {delay_ms => int 1000 * $seconds}) for qw(k1 k2);
    my $first = $s->background(say_to($s, 'keeper', 'k1', 'm1'));
    my $job = chat($s, 'keeper', 'k2', 'hello');
    ok(wait_for('both AI calls', 20, sub { !grep { !ai_calls($s, $_) } qw(k1 k2) }), 'a responder and a daemon ask its AI');
    my $began = time;
    in_force($s, 'a change of both', sub {
        set($s, 'platforms', {name => 'moving', provider => 'actions', base_url => second_url($s)});
        set($s, 'bots', {bot_id => 'keeper', name => 'Keeper 2', platform => 'moving', settings => {on_newer => 'restart'}});
    });
    $s->control(conversation_id => 'k1', ai => {delay_ms => 0});
    my $newer = say($s, undef, 'k1', 'm2');
    cmp_ok(time - $began, '<', $seconds, 'all of that while they are asked');
    is($newer->outcome, 'locked', 'a newer message waits');
    is($first->()->outcome, 'completed', 'the turn that ran ends by the policy that it began with');
    job_done($s, $job, 'which ran meanwhile');
    is(scalar(() = $s->replies($_)), 1, "$_: its reply went to the platform that it began with") for qw(k1 k2);
    ok(wait_for('the next reply', 20, sub { @{second($s, 'k1')->{platform}} == 1 }), 'the next one to the new one');
    is(scalar(() = $s->replies('k1')), 1, 'alone');
    my @calls = ai_calls($s, 'k1');
    is($calls[0]{bot}{version}, $old, 'it was asked as it was');
    is("$calls[1]{bot}{name} $calls[1]{bot}{settings}{on_newer}", 'Keeper 2 restart', 'then as it is');
    cmp_ok($calls[1]{bot}{version}, '>', $old, 'of another version');
    $s->control(conversation_id => 'k3', ai => {delay_ms => 1500});
    $first = $s->background(say_to($s, 'keeper', 'k3', 'm1'));
    ok(wait_for('the AI call', 20, sub { ai_calls($s, 'k3') }), 'a turn of now');
    say($s, undef, 'k3', 'm2');
    is($first->()->outcome, 'restart_needed', 'begins anew for newer messages');
    return;
}

# Which process a turn of this conversation ended in.
sub ended_in { my ($s, $c) = @_; return (map { $_->name } grep { log_of($_) =~ /turn ended.*"conversation_id":"$c"/ } $s->responders, $s->daemons)[0] // '' }

# A change, and turns of every process before and after it: none begins with the bot of before once two seconds have passed.
sub in_time {
    my ($s, $what, $daemon, $change) = @_;
    my ($round, %asked) = (0);
    my $other = 3 - $daemon;
    admin_says($s, $other, 'PAUSE'); # jobs are for one of them
    my $ask = sub {
        $round++;
        for my $n (1, 2) {
            my $answer = by_socket($s, $n, say_to($s, 'watched', "$what-$round-r$n", 'm1'));
            $asked{"$what-$round-r$n"} = "responder $n" if $answer->outcome eq 'completed';
        }
        by_socket($s, 1 + $round % 2, chat_request($s, 'watched', "$what-$round-job", 'hello'));
        $asked{"$what-$round-job"} = "daemon $daemon";
    };
    $ask->();
    my $changed_ms = 1000 * time;
    my $want = $change->();
    my $done_ms = 1000 * time;
    do { $ask->(); sleep 0.05 } while 1000 * time < $done_ms + 1000 * bound(2) + 500;
    ok(wait_for('all turns', 30, sub { !grep { !@{$s->ledger($_)->{ai}} } keys %asked }), "$what: all are answered");
    my (%new, %late);
    for my $c (keys %asked) {
        for my $call (@{$s->ledger($c)->{ai}}) {
            if    ($call->{bot}{name} eq $want) { $new{$asked{$c}}++ }
            elsif ($call->{start_ms} > $done_ms) {
                my $ms = $call->{start_ms} - $done_ms;
                $late{$asked{$c}} = $ms if $ms > ($late{$asked{$c}} // 0);
            }
        }
    }
    is_deeply([sort keys %new], ["daemon $daemon", 'responder 1', 'responder 2'], "$what: each process works with the change");
    cmp_ok($_, '<', 1000 * bound(2), "$what: not later than two seconds after it") for map { $late{$_} // 0 } sort keys %new;
    diag(sprintf '%s: the last turn with what was before, ms after the change: %s', $what, join ', ', map { "$_ " . int($late{$_} // 0) } sort keys %new);
    is(ended_in($s, "$what-$round-job"), "daemon $daemon", "$what: jobs ran in the daemon that took work");
    admin_says($s, $other, 'RESUME');
    return;
}

sub admin_says {
    my ($s, $n, $line) = @_;
    my $peer = IO::Socket::UNIX->new(Peer => $s->admin_socket($n)) or die "admin socket $n: $!";
    print {$peer} "$line\n";
    $peer->flush;
    my $text = '';
    while (defined(my $got = <$peer>)) { $text .= $got; last if $got =~ /^(OK|ERR)/ }
    return $text;
}

sub changes {
    my $s = shift;
    in_force($s, 'a bot that is watched', sub { set($s, 'bots', {bot_id => 'watched', name => 'W0'}) });
    in_time($s, 'api', 1, sub { set($s, 'bots', {bot_id => 'watched', name => 'W1'}); 'W1' });
    in_time($s, 'sql', 2, sub { $s->psql(q{UPDATE bots SET name = 'W2' WHERE bot_id = 'watched'}); 'W2' });
    return;
}

# ---- switched off ----

sub disabled {
    my $s = shift;
    my %bot = (bot_id => 'off', name => 'Off', settings => {debounce_ms => int 1000 * bound(5)});
    in_force($s, 'a bot that waits long', sub { set($s, 'bots', \%bot) });
    my $job = chat($s, 'off', 'd1', 'hello');
    is($job->json->{status}, 'ai_processing_started', 'a job that waits') or diag($job->text);
    in_force($s, 'switched off', sub { set($s, 'bots', {%bot, enabled => JSON::PP::false}) });
    my $answer = say($s, 'off', 'd2', 'm1');
    is($answer->outcome . ' ' . ($answer->json->{result}{reason} // ''), 'recorded bot_disabled', 'a message is recorded') or diag($answer->text);
    my $chat = chat($s, 'off', 'd3', 'hello');
    is($chat->json->{status} . ' ' . ($chat->json->{reason} // ''), 'recorded bot_disabled', 'a history, too') or diag($chat->text);
    my $done = job_done($s, $job, 'that waited');
    is_deeply([bots_asked($s, 'd1'), bots_asked($s, 'd2'), bots_asked($s, 'd3')], ['', '', ''], 'nobody is asked');
    is($done->{result}{reason}, 'bot_disabled', 'what waited is recorded, too') or diag($json->encode($done));
    in_force($s, 'switched on', sub { set($s, 'bots', {%bot, settings => {}}) });
    is(say($s, undef, 'd2', 'm2')->outcome, 'completed', 'the next message is answered');
    is($s->ledger('d2')->{ai}[0]{messages}, 2, 'knowing what was said meanwhile');
    return;
}

# ---- policies ----

sub policies {
    my $s = shift;
    set($s, 'bots', {bot_id => 'rejects', name => 'R', settings => {on_newer => 'reject'}});
    in_force($s, 'bots with policies', sub { set($s, 'bots', {bot_id => 'gathers', name => 'G', environments => {test => {debounce_ms => 1500}, production => {debounce_ms => 60000}}}) });
    $s->control(conversation_id => 'p1', ai => {delay_ms => 1500});
    my $first = $s->background(say_to($s, 'rejects', 'p1', 'm1'));
    ok(wait_for('the AI call', 20, sub { ai_calls($s, 'p1') }), 'a turn runs');
    my $newer = say($s, undef, 'p1', 'm2');
    is($newer->status . ' ' . ($newer->json->{code} // ''), '409 turn_running', 'reject: a newer message is refused');
    is($first->()->outcome, 'completed', 'and the first one answered');
    my @both = $s->burst([say_to($s, 'gathers', 'p2', 'm1'), say_to($s, 'gathers', 'p2', 'm2', after => 0.3)]);
    ok(wait_for('one reply', 20, sub { $s->replies('p2') }), 'debounce_ms of an environment: a reply');
    is_deeply($s->covered('p2'), {m1 => 1, m2 => 1}, 'to both messages');
    is(scalar(() = $s->replies('p2')), 1, 'together');
    return;
}

# ---- a secret that is not there ----

sub unusable {
    my $s = shift;
    my $path = "$s->{dir}/later.secret";
    set($s, 'ai-cores', {name => 'locked', provider => 'native', base_url => second_url($s), path => '/locked/process', api_key => "file:$path"});
    set($s, 'ai-cores', {name => 'unset', provider => 'native', base_url => second_url($s), path => '/unset/process', api_key => 'env:NOT_SET'});
    set($s, 'bots', {bot_id => 'unset', name => 'Unset', ai_core => 'unset'});
    in_force($s, 'bots without a secret', sub { set($s, 'bots', {bot_id => 'locked', name => 'Locked', ai_core => 'locked'}) });
    my $answer = say($s, 'locked', 'u1', 'm1');
    is($answer->outcome . ' ' . ($answer->json->{result}{reason} // ''), 'queued bot_unusable', 'a message to it waits') or diag($answer->text);
    chat($s, 'locked', 'u2', 'hello');
    chat($s, 'unset', 'u3', 'hello');
    for my $bot (undef, 'one') {
        my $before = time;
        is(say($s, $bot, 'u-other-' . ($bot // 'none'), 'm1')->outcome, 'completed', 'another one does not');
        cmp_ok(time - $before, '<', bound(2), 'at all');
    }
    my $see = sub { my ($c) = @_; my $c1 = admin($s, GET => "conversations/$c")->json; join ' ', map { $_ // '-' } @$c1{qw(phase reason)} };
    ok(wait_for("the turn of $_", 20, sub { $see->($_) eq 'queued bot_unusable' }), "$_ waits, and says why") for qw(u1 u2 u3);
    like(admin($s, GET => 'bots/locked')->json->{trouble}, qr/later\.secret cannot be read/, 'its row says what is wrong');
    ok(wait_for('another try', 20, sub { () = map { log_of($_) =~ /turn ended",.*"conversation_id":"u2".*"reason":"bot_unusable"/g } $s->daemons }), 'it is tried');
    is_deeply([map { bots_asked($s, $_) } qw(u1 u2 u3)], ['', '', ''], 'and no other AI is asked instead');
    open my $fh, '>', $path or die $!;
    print $fh "$file_secret\n";
    close $fh or die $!;
    kill 'HUP', map { $_->pid } $s->responders, $s->daemons;
    set($s, 'ai-cores', {name => 'unset', provider => 'native', base_url => second_url($s), path => '/unset/process'});
    ok(wait_for("the reply to $_", 25, sub { scalar $s->replies($_) }), "$_ is answered once it is mended") for qw(u1 u2 u3);
    is(second($s, $_)->{ai}[0]{authorization}, "Bearer $file_secret", "$_: with the secret") for qw(u1 u2);
    is_deeply([map { bots_asked($s, $_) } qw(u1 u2 u3)], [qw(locked locked unset)], 'each by its own');
    unlink $path;
    return;
}

# ---- processes that start, a database that is away ----

sub starts {
    my $s = shift;
    for my $n (1, 2) {
        ok($s->responder($n)->end && $s->responder($n)->status == 0, "responder $n ends");
        $s->start_responder($n);
        my @answers = map { by_socket($s, $n, say_to($s, 'one', "s$n-$_", 'm1'))->outcome } 1 .. 3;
        is("@answers", 'completed completed completed', 'its successor answers');
        is(bots_asked($s, "s$n-$_"), 'one', 'by the bot that is named, from the first turn on') for 1 .. 3;
    }
    $_->end for $s->daemons;
    chat($s, 'one', "s-job-$_", 'hello') for 1 .. 10;
    $s->start_daemon($_) for 1, 2;
    ok(wait_for('the jobs', 30, sub { !grep { !ai_calls($s, "s-job-$_") } 1 .. 10 }), 'daemons that start find work');
    is(join(' ', map { bots_asked($s, "s-job-$_") } 1 .. 10), join(' ', ('one') x 10), 'and do it by the bot that is named');
    return;
}

sub database_away {
    my $s = shift;
    in_force($s, 'before it goes'); # also by the processes that have just started
    $s->kill_postgres;
    for my $n (1, 2) {
        is(by_socket($s, $n, say_to($s, 'one', "g$n", 'm1'))->outcome, 'completed', "without the database: responder $n answers");
        is(bots_asked($s, "g$n"), 'one', 'by the bot that it knows');
    }
    chat($s, 'one', "g-job-$_", 'hello') for 1 .. 4;
    ok(wait_for('the jobs', 40, sub { !grep { bots_asked($s, "g-job-$_") ne 'one' } 1 .. 4 }), 'so do daemons');
    ok($s->responder(2)->end && $s->daemon(2)->end, 'a responder and a daemon end');
    my %said = map { $_->name => scalar(() = log_of($_) =~ /nothing is known of bots/g) } $s->responder(2), $s->daemon(2);
    $s->start_responder(2);
    $s->start_daemon(2);
    is(by_socket($s, 2, say_to($s, 'one', 'g-new', 'm1'))->outcome, 'completed', 'one that starts meanwhile answers');
    is(bots_asked($s, 'g-new'), 'default', 'by the default bot');
    is(by_socket($s, 1, say_to($s, 'one', 'g-old', 'm1'))->outcome . ' ' . bots_asked($s, 'g-old'), 'completed one', 'the other one still by the one that is named');
    my $warned = sub { my $p = shift; return (() = log_of($p) =~ /nothing is known of bots/g) - $said{$p->name} };
    ok(wait_for('the log of ' . $_->name, 20, sub { $warned->($_) }), $_->name . ' says so') for $s->responder(2), $s->daemon(2);
    my $was = time;
    wait_for('some looks', 5, sub { time - $was > 3 });
    is($warned->($_), 1, $_->name . ' once') for $s->responder(2), $s->daemon(2);
    is(scalar(() = log_of($_) =~ /the database does not answer: bots stay as they are/g), 1, $_->name . ' says once that it goes on with what it knows') for $s->responder(1), $s->daemon(1);
    $s->start_postgres;
    ok(wait_for('the bot', 30, sub { my $c = 'g-back-' . int 1000 * time; by_socket($s, 2, say_to($s, 'one', $c, 'm1')); bots_asked($s, $c) eq 'one' }),
        'when the database is back, the one that is named answers');
    ok(wait_for('all processes', 20, sub { !grep { log_of($_) !~ /the database answers again/ } $s->responders, $s->daemons }), 'all say that it is back');
    in_force($s, 'a change after that', sub { set($s, 'bots', {bot_id => 'two', name => 'Two again'}) });
    return;
}

# ---- secrets ----

sub holds {
    my ($path, $what) = @_;
    open my $fh, '<:raw', $path or return 0;
    my $before = '';
    while (read $fh, my $part, 1 << 20) {
        return 1 if "$before$part" =~ /$what/;
        $before = substr $part, -64;
    }
    return 0;
}

sub no_secrets {
    my $s = shift;
    my $any = join '|', map { quotemeta } values %SECRET, $file_secret;
    my @answers = map { admin($s, GET => $_)->body } qw(bots bots/one ai-cores ai-cores/core platforms platforms/page stats health queue), map { "conversations/$_" } qw(a1 b1 u1);
    push @answers, map { my $n = $_; map { admin_says($s, $n, $_) } 'SHOW CONFIG --json', 'SHOW BACKENDS --json', 'SHOW STATS --json', 'CORE SHOW core --json' } 1, 2;
    ok(!grep({ /$any/ } @answers), 'no secret in any answer');
    like($answers[3], qr/env:KEY_ONE/, 'only its name');
    my (@found, $files, $named);
    $s->psql('CHECKPOINT') if $s->{postgres};
    my @todo = map { "$s->{dir}/$_" } 'logs', 'state', 'turnkeeper', grep { -d "$s->{dir}/$_" } qw(redis postgres);
    while (defined(my $path = shift @todo)) {
        if (-d $path) { push @todo, glob "$path/*" }
        elsif (-f $path) { $files++; $named += holds($path, 'env:KEY_ONE'); push @found, $path if holds($path, $any) }
    }
    cmp_ok($files, '>', $s->{postgres} ? 500 : 5, 'files of logs, store and database');
    ok($named, 'which do hold the name of one');
    is("@found", '', 'hold none');
    return;
}

# ---- the stacks ----

sub start_stack {
    my (%o) = @_;
    my $s = Stack->start(responders => 2, daemons => 2, %o, bot_name => 'The Default', env => {%SECRET, ENVIRONMENT => 'test', BOT_NAME => 'The Default', AI_SERVICE_TIMEOUT => 60, %{$o{env} || {}}});
    start_second($s);
    wait_for('the tables', 30, sub { admin($s, GET => 'bots')->status == 200 }) or die 'no tables' if !defined $o{postgres};
    return $s;
}

subtest 'Redis and PostgreSQL' => sub {
    my $lacks = missing('lighttpd', 'redis', 'postgres');
    plan skip_all => "$lacks is not installed" if $lacks;
    my $s = start_stack(store => 'redis');
    in_force($s, 'bots, cores and platforms', sub { set_up($s) });
    for my $part ([named_in_messages => \&named_in_messages], [named_in_histories => \&named_in_histories], [not_delivered => \&not_delivered],
        [running_turn_keeps => \&running_turn_keeps], [changes => \&changes], [disabled => \&disabled], [policies => \&policies], [unusable => \&unusable],
        [starts => \&starts], [database_away => \&database_away], [no_secrets => \&no_secrets]) {
        my $began = time;
        subtest $part->[0] => sub { $part->[1]->($s) };
        note(sprintf '%s: %.1f s', $part->[0], time - $began);
    }
    $s->end_well;
};

subtest SQLite => sub {
    my $lacks = missing('lighttpd');
    plan skip_all => "$lacks is not installed" if $lacks;
    my $s = start_stack(store => 'sqlite');
    in_force($s, 'bots, cores and platforms', sub { set_up($s) });
    named_in_messages($s);
    named_in_histories($s);
    not_delivered($s);
    starts($s);
    no_secrets($s);
    $s->end_well;
};

subtest 'no database' => sub {
    my $lacks = missing('lighttpd', 'redis');
    plan skip_all => "$lacks is not installed" if $lacks;
    my $s = start_stack(store => 'redis', postgres => 0, daemons => 1, env => {STATE_FILE => ':memory:', STORE_FALLBACK => 'reject'});
    is(say($s, 'one', 'n1', 'm1')->outcome, 'completed', 'a message is answered');
    my $answer = chat($s, 'one', 'n2', 'hello');
    is($answer->json->{bot_name}, 'The Default', 'a history, too');
    job_done($s, $answer, 'without a database');
    is(bots_asked($s, $_), 'default', "$_: by the default bot") for qw(n1 n2);
    is(admin($s, GET => 'bots')->json->{code}, 'no_database', 'there are no others');
    $s->end_well;
};

done_testing;
