#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# What other services push into message_queue, and what callers name things: several hundred good items of all kinds among as many that nobody can
# keep. The good ones are in the database, each bad one is a dead letter that says why, nobody waits for longer than the batch that he is in, and
# no size brings Redis' clients to the end of their patience. Names with every character that is allowed stay apart in store, cache and database.
use strict;
use warnings;
use utf8;
use FindBin;
use lib "$FindBin::Bin/../lib";
use JSON::PP ();
use List::Util qw(shuffle uniq);
use Test::More;
use Time::HiRes qw(time);
use Stack;
use Stack::Sessions;

my $s;
my $n = 0; # of the items made so far
my $now = int time * 1000;
my ($true, $false) = (JSON::PP::true, JSON::PP::false);

sub encode { return Stack::Client->encode($_[0]) }
sub push_items { my @items = @_; while (my @some = splice @items, 0, 100) { $s->redis('RPUSH', 'message_queue', @some) } return }
sub stop_daemon { return $s->daemon(1)->signal('STOP') }
sub go_on { return $s->daemon(1)->signal('CONT') }
sub settled {
    my $seconds = shift // 60;
    return wait_for('an empty queue', $seconds, sub { $s->redis('LLEN', 'message_queue') == 0 && $s->redis('ZCARD', 'message_queue:batches') == 0 });
}
sub letters {
    my ($cursor, @all) = ('');
    while (defined $cursor) {
        my $answer = $s->admin("/api/v1/admin/queue/dead?limit=500&cursor=$cursor");
        is($answer->status, 200, 'a page of dead letters') or return @all;
        push @all, @{$answer->json->{dead}};
        $cursor = $answer->json->{next_cursor};
    }
    return @all;
}
sub discard_all { return $s->redis('DEL', 'message_queue:dead', 'message_queue:dead:items') }

# ---- items ----

sub a_message { my ($id, %o) = @_; return {message_id => $id, content => "text of $id", sender_id => 'a service', sender_type => 'user', timestamp => $now, %o} }
sub save { my ($conversation, $message, %o) = @_; return {type => 'save_message', session_id => $conversation, at => $now, message => $message, %o} }
sub a_turn {
    my ($conversation, $message, %o) = @_;
    return {type => 'turn', v => 1, conversation_id => $conversation, turn_id => sprintf('019a0000-0000-7000-8000-%012x', ++$n), status => 'completed',
        at => $now, messages => [$message], reply => {response_text => 'yes'}, actions => [{type => 'send_message', status => 'executed'}], %o};
}
sub state_of { my ($conversation, %o) = @_; return {type => 'update_session_status', session_id => $conversation, at => $now, %o} }
sub customer { my ($sender, %o) = @_; return {type => 'extract_customer_info', session_id => 'shop', sender_id => $sender, at => $now, %o} }

# As the document has it: all five kinds, and what is merely odd.
sub good_items {
    my ($count) = @_;
    my (@items, @messages);
    for my $k (1 .. $count) {
        my $id = "good$k";
        my $m = a_message($id);
        my $kind = $k % 5;
        push @messages, $id if $kind < 3;
        push @items, encode(
              $kind == 0 ? save('s' . $k % 7, $m)
            : $kind == 1 ? a_turn('t' . $k % 7, $m)
            : $kind == 2 ? {type => 'message', conversation_id => 'm' . $k % 7, reason => 'agent_message', message => $m}
            : $kind == 3 ? state_of("state$k", status => 'closed', check_reply => $false)
            :              customer("customer$k", content => '0912 345 678'));
    }
    my %odd = (
        'year 300000' => {timestamp => 9_403_000_000_000_000}, 'before 1970' => {timestamp => -5}, 'a time with a fraction' => {timestamp => $now + 0.5},
        '1024 bytes' => {sender_id => "\x{1f600}" x 256}, 'deep' => {metadata => {x => nested(50)}}, 'nothing' => {content => ''},
        '64 KiB' => {content => 'x' x 65536}, 'emojis' => {content => "\x{1f600}\x{0}" =~ s/\x{0}//r},
    );
    for my $name (sort keys %odd) {
        push @messages, "odd $name";
        push @items, encode(save('odd', a_message("odd $name", %{$odd{$name}})));
    }
    push @items, encode(save('odd', a_message('odd megabyte'), padding => 'x' x (1 << 20))); # a member that is not known
    push @items, encode(save('odd', a_message('odd time'))) =~ s/"timestamp":\d+/"timestamp":1e200/r;
    return (\@items, [@messages, 'odd megabyte', 'odd time']);
}

sub nested { my $depth = shift; my $v = 1; $v = [$v] for 1 .. $depth; return $v }

# [name, text, what the reason says]. MARK is replaced by a word that tells them apart.
sub bad_items {
    my $m = sub { my %o = @_; my $message = a_message('MARK', %o); delete $message->{$_} for grep { ref $o{$_} eq 'CODE' } keys %o; return encode(save('bad', $message)) };
    my $top = sub { my ($item, %o) = @_; my %i = (%$item, %o); delete $i{$_} for grep { ref $o{$_} eq 'CODE' } keys %o; return encode(\%i) };
    my $gone = sub { 1 };
    my $good = save('bad', a_message('MARK'));
    my $turn = a_turn('bad', a_message('MARK'));
    my $state = state_of('MARK', status => 'closed');
    my $person = customer('MARK', content => '0912 345 678');
    return (
        ['no JSON', 'hello MARK', qr/^not JSON/], ['nothing', '', qr/^not JSON/], ['a word', 'null', qr/must be an object/], ['a number', '7', qr/must be an object/],
        ['a string', '"MARK"', qr/must be an object/], ['an array', '[1,"MARK"]', qr/must be an object/], ['the beginning of an item', substr(encode($good), 0, -7), qr/^not JSON/],
        ['an item and more', encode($good) . ' x', qr/follows/], ['two items', encode($good) x 2, qr/follows/], ['a byte order mark', "\xef\xbb\xbf" . encode($good), qr/^not JSON/],
        ['quotes of another language', "{'type':'MARK'}", qr/^not JSON/], ['a comment', '/* MARK */ ' . encode($good), qr/^not JSON/],
        ['NaN', encode($good) =~ s/"at":\d+/"at":NaN/r, qr/^not JSON/], ['10,000 deep', '{"MARK":' . '[' x 10000 . ']' x 10000 . '}', qr/nested/],
        ['70 deep', encode({%$good, x => nested(70)}), qr/nested/], ['a member twice', encode($good) =~ s/\{/{"type":"turn",/r, qr/twice/],
        ['a member of the message twice', encode($good) =~ s/"content"/"content":"x","content"/r, qr/twice/],
        ['wrong UTF-8', encode($good) =~ s/text of/text\xff\xfe of/r, qr/not UTF-8/], ['long forms in UTF-8', encode($good) =~ s/text of/text\xc0\x80of/r, qr/not UTF-8/],
        ['half of UTF-8', encode($good) =~ s/text of/text\xe1\xbb/r, qr/not UTF-8/], ['NUL', encode($good) =~ s/text of/text\\u0000of/r, qr/NUL/],
        ['NUL as it is', encode($good) =~ s/text of/text\0of/r, qr/control/], ['a line as it is', encode($good) =~ s/text of/text\nof/r, qr/control/],
        ['half a pair', encode($good) =~ s/text of/text\\ud800of/r, qr/half a character/], ['the other half', encode($good) =~ s/text of/text\\udc00of/r, qr/half a character/],
        ['a number without bounds', encode({%$good, x => 'N'}) =~ s/"N"/1e200000/r, qr/too large/], ['another', encode(save('bad', a_message('MARK', metadata => {x => 'N'}))) =~ s/"N"/-1e400/r, qr/too large/],
        ['no type', $top->($good, type => $gone), qr/^type:/], ['an unknown type', $top->($good, type => 'saveMessage'), qr/^type:/], ['a type that is a number', $top->($good, type => 7), qr/^type:/],
        ['version 2', $top->($good, v => 2), qr/^v:/], ['a version that is a string', $top->($good, v => '1'), qr/^v:/],
        ['no session', $top->($good, session_id => $gone), qr/^conversation_id:/], ['two sessions', $top->($good, conversation_id => 'another'), qr/^session_id:/],
        ['a session that is a number', $top->($good, session_id => 7), qr/^session_id:/], ['a session without a name', $top->($good, session_id => ''), qr/^session_id:/],
        ['1,025 bytes', $top->($good, session_id => 'x' x 1025), qr/1024 bytes/], ['a line in its name', $top->($good, session_id => "a\nb"), qr/control/],
        ['a turn that says session_id', $top->({%$turn, session_id => 'bad'}, conversation_id => $gone), qr/^conversation_id:/],
        ['no message', $top->({%$good, note => 'MARK'}, message => $gone), qr/message\[0\]/], ['a message that is a string', $top->($good, message => 'MARK'), qr/must be an object/],
        ['no content', $m->(content => $gone), qr/content:/], ['content that is a number', $m->(content => 7), qr/content:/], ['65,537 bytes', $m->(content => 'x' x 65537), qr/65536/],
        ['no sender', $m->(sender_id => $gone), qr/sender_id:/], ['a sender that is a number', $m->(sender_id => 7), qr/sender_id:/], ['a sender of 1,025 bytes', $m->(sender_id => "\x{1f600}" x 256 . 'x'), qr/1024/],
        ['a type of sender', $m->(sender_type => 'customer'), qr/sender_type:/], ['no time', $m->(timestamp => $gone), qr/timestamp:/], ['a time that is a string', $m->(timestamp => '2026-01-01'), qr/timestamp:/],
        ['a time that is nothing', $m->(timestamp => undef), qr/timestamp:/], ['a number that is none', $m->(seq => -1), qr/seq:/], ['metadata that are none', $m->(metadata => []), qr/metadata:/],
        ['attachments that are none', $m->(attachments => {}), qr/attachments:/], ['a megabyte of it', encode({%$good, message => {message_id => 'MARK', padding => 'x' x (1 << 20)}}), qr/sender_id:/],
        ['70 MB', '{"type":"save_message","message":"MARK","x":"' . 'x' x (70 << 20) . '"}', qr/^not JSON/],
        ['a state that is none', $top->($state, status => 'sleeping'), qr/^status:/], ['no state', $top->($state, status => $gone), qr/^status:/], ['a flag that is none', $top->($state, check_reply => 'no'), qr/^check_reply:/],
        ['an end of nothing', $top->($state, check_reply_until => $now), qr/^check_reply_until:/], ['a state of no time', $top->($state, at => $gone), qr/^at:/],
        ['nobody', $top->({%$person, message_id => 'MARK'}, sender_id => $gone), qr/^sender_id:/], ['entities that are none', $top->($person, entities => []), qr/^entities:/],
        ['a customer of no time', $top->($person, at => 'now'), qr/^at:/], ['what a customer said that is none', $top->($person, content => ['x']), qr/^content:/],
        ['a turn without an id', $top->($turn, turn_id => $gone), qr/^turn_id:/], ['with another id', $top->($turn, turn_id => 'turn-1'), qr/^turn_id:/], ['of no messages', $top->({%$turn, reason => 'MARK'}, messages => []), qr/^messages:/],
        ['with a state of its own', $top->($turn, status => 'DONE'), qr/^status:/], ['with actions that are none', $top->($turn, actions => {}), qr/^actions:/],
    );
}

# ---- good and bad ----

sub mixed {
    my ($good, $messages) = good_items(400);
    my @bad = bad_items();
    my (%kinds, @texts);
    for my $k (0 .. $#bad) { # marked, so that a letter tells which one it is
        my ($name, $text, $reason) = @{$bad[$k]};
        for my $copy (1 .. ($name eq '70 MB' ? 2 : 5)) {
            my $mark = "poison$k.$copy.";
            push @texts, $text =~ s/MARK/$mark/gr;
        }
    }
    stop_daemon();
    push_items(shuffle @$good, @texts);
    my $waiting = $s->redis('LLEN', 'message_queue');
    is($waiting, @$good + @texts, scalar(@$good) . ' good items and ' . @texts . ' bad ones wait');
    go_on();
    ok(settled(120), 'all are worked off');
    my $kept = {map { $_ => 1 } $s->psql('SELECT message_id FROM messages')};
    is(scalar(grep { !$kept->{$_} } @$messages), 0, 'every good message is in the database') or diag(join ', ', (grep { !$kept->{$_} } @$messages)[0 .. 5]);
    is(scalar keys %$kept, scalar @$messages, 'and no other one');
    is($s->psql('SELECT sum(total_messages) FROM conversations'), scalar @$messages, 'counted');
    is($s->psql("SELECT count(*) FROM chat_sessions WHERE session_id LIKE 'state%' AND status = 'closed' AND NOT check_reply"), 80, 'every state');
    is($s->psql("SELECT count(*) FROM customers WHERE sender_id LIKE 'customer%' AND phone = '+84912345678'"), 80, 'every customer');
    my @letters = letters();
    is(scalar @letters, scalar @texts, 'every bad one is a dead letter');
    my %told;
    for my $l (@letters) { push @{$told{encode([$l->{item}]) =~ /poison(\d+)\.\d/ ? $bad[$1][0] : 'no mark'}}, $l }
    for (@bad) {
        my ($name, $text, $reason) = @$_;
        next if $text !~ /MARK/;
        my @of = @{$told{$name} || []};
        my $all = @of == ($name eq '70 MB' ? 2 : 5) && !grep { $_->{reason} !~ $reason } @of;
        ok($all, "$name: " . (@of ? $of[0]{reason} : 'none')) or diag(scalar(@of) . ' letters, ' . join '; ', uniq map { $_->{reason} } @of);
    }
    is(scalar @{$told{'no mark'} || []}, 5 * grep({ $_->[1] !~ /MARK/ } @bad), 'those without a mark, too');
    my ($large) = grep { !ref $_->{item} && ($_->{item} // 'null') =~ /^too large: \d{8} bytes/ } @letters;
    ok($large, 'of what is larger than any item may be there is the size and the beginning');
    is($s->admin('/api/v1/admin/health')->json->{storage_backend}, 'Redis', 'Redis was in use all the time');
    my @said = map { open my $fh, '<', $_ or die $!; <$fh> } glob "$s->{dir}/logs/*.log";
    is(scalar(grep { /using fallback/ } @said), 0, 'and nobody thought that it was away') or diag(grep { /using fallback|redis:/ } @said);
    is(scalar(grep { ref $_->{item} eq 'HASH' && ($_->{item}{session_id} // '') eq 'bad' && ($_->{conversation_id} // '') !~ /./ } @letters), 0, 'a letter tells its session');
    return @letters;
}

sub again {
    my @letters = @_;
    my $retry = sub { return $s->admin_post("/api/v1/admin/queue/dead/$_[0]{id}/retry") };
    my $discard = sub { return $s->client->request(method => 'DELETE', path => "/api/v1/admin/queue/dead/$_[0]{id}", headers => $s->admin_headers) };
    my ($text) = grep { !ref $_->{item} } @letters;
    my ($object) = grep { ref $_->{item} eq 'HASH' } @letters;
    is($retry->($text)->status, 409, 'what is no JSON cannot be tried again');
    is($discard->($text)->status, 200, 'but dropped');
    is($discard->($text)->status, 404, 'once');
    my $total = $s->redis('ZCARD', 'message_queue:dead');
    is($retry->($object)->status, 200, 'what is still wrong may be tried again');
    ok(settled(), 'is');
    is($s->redis('ZCARD', 'message_queue:dead'), $total, 'and comes back as a letter');
    is($retry->($object)->status, 404, 'as another one');
    return;
}

# ---- the company that one is in ----

# When a message came into the database, by the server's clock, which is the daemon's: an item of the same batch has its letter later.
sub archived_at { return $s->psql("SELECT extract(epoch FROM at) FROM arrivals WHERE message_id = '$_[0]'") }

sub delays {
    discard_all();
    my @wrong = map { encode(save('bad', {message_id => "wrong$_"})) } 1 .. 1000;
    stop_daemon();
    push_items(@wrong[0 .. 499], encode(save('fine', a_message('behind poison'))), @wrong[500 .. 999]);
    go_on();
    ok(settled(), 'a good item among a thousand bad ones');
    my $at = archived_at('behind poison');
    my @before = grep { $_->{at} * 1000 < int $at * 1000 } letters();
    cmp_ok(scalar @before, '<=', 500, 'is in the database with the first batch, or the second') or diag(scalar @before);

    discard_all();
    $s->psql(q{CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        IF NEW.conversation_id LIKE 'forbidden%' THEN RAISE EXCEPTION 'not this one'; END IF; RETURN NEW; END $$});
    $s->psql('CREATE TRIGGER refuse BEFORE INSERT ON messages FOR EACH ROW EXECUTE FUNCTION refuse()');
    my @forbidden = map { encode(save("forbidden$_", a_message("f$_"))) } 1 .. 300;
    stop_daemon();
    push_items(@forbidden[0 .. 149], encode(save('fine', a_message('among forbidden ones'))), @forbidden[150 .. 299], encode(customer('behind them', content => 'a@example.com')));
    go_on();
    ok(settled(), 'a good item among three hundred that the database refuses');
    my @refused = letters();
    is(scalar @refused, 300, 'these become dead letters');
    is(scalar(grep { $_->{reason} !~ /not this one/ } @refused), 0, 'with what the database said');
    my $first = (sort { $a->{at} <=> $b->{at} } @refused)[0]{at};
    cmp_ok(archived_at('among forbidden ones'), '<', $first, 'the good one is there before the first of them is given up');
    is($s->psql("SELECT count(*) FROM customers WHERE sender_id = 'behind them'"), 1, 'so is the task');
    my ($one, $other) = @refused;
    is($s->admin_post("/api/v1/admin/queue/dead/$one->{id}/retry")->status, 200, 'one is tried again in vain');
    ok(settled(), 'worked off');
    is($s->redis('ZCARD', 'message_queue:dead'), 300, 'and is a letter once more');
    $s->psql('DROP TRIGGER refuse ON messages');
    is($s->admin_post("/api/v1/admin/queue/dead/$other->{id}/retry")->status, 200, 'another one when the cause is gone');
    ok(wait_for('it', 30, sub { $s->psql("SELECT count(*) FROM messages WHERE conversation_id = '$other->{conversation_id}'") }), 'it is in the database');
    is($s->redis('ZCARD', 'message_queue:dead'), 299, 'and no letter any more');
    return;
}

# As many large ones as a batch has items: none of them is lost, and nobody gives Redis up.
sub large_company {
    discard_all();
    stop_daemon();
    push_items(encode(save('large', a_message("large$_"), padding => 'x' x 700_000))) for 1 .. 60;
    push_items(encode(save('large', {message_id => "wrong$_"}, padding => 'x' x 700_000))) for 1 .. 60;
    my $said = $s->say('large', 'behind them all', message_id => 'last', sender_type => 'system');
    is($said->status, 202, 'a message behind 84 MB');
    go_on();
    ok(settled(120), 'all are worked off');
    is($s->psql("SELECT count(*) FROM messages WHERE conversation_id = 'large'"), 61, 'and in the database');
    is(scalar(my @all = letters()), 60, 'or letters, of which a page has as many as one can carry');
    my $page = $s->admin('/api/v1/admin/queue/dead?limit=500');
    cmp_ok(length $page->body, '<', 20 << 20, 'its size has a bound');
    is($s->admin('/api/v1/admin/health')->json->{storage_backend}, 'Redis', 'Redis was in use all the time');
    discard_all();
    return;
}

# ---- names ----

sub escaped { my $id = shift; utf8::encode($id); return $id =~ s/([^A-Za-z0-9_.~-])/sprintf '%%%02X', ord $1/ger }

# Each is a session of its own, with its own state, text, customer and listener.
sub names {
    my @names = ('x', map({ "x$_" } qw(:context :pending :last :record :record:context :x :)), ':x', '::', 'x/y', '/x', 'x/', 'x%2Fy', 'x y', ' x', 'x ', '"x"', "it's", 'x\\y', '$x', '{x}', '{tk001}x', '*', '[x]',
        'x?y=1', 'x#y', 'x&y', 'x+y', '%', "Ch\x{e0}o", "\x{1f600}", '0', 'null', '-1', 'sessions', 'x' x 256, "\x{1f600}" x 64);
    for my $k (0 .. $#names) {
        my $id = escaped($names[$k]);
        my $said = $s->say($id, "text $k", message_id => "n$k", sender_type => 'system', sender_id => $names[$k]);
        is($said->status, 202, "$k: a message for '" . substr($id, 0, 40) . q{'}) or diag($said->text);
        is($s->patch_session($id, status => $k % 2 ? 'closed' : 'archived')->status, 200, "$k: its state");
    }
    my @wrong;
    for my $k (0 .. $#names) {
        my $session = $s->session(escaped($names[$k]));
        push @wrong, $names[$k] if ($session->{session_id} // '') ne $names[$k] || $session->{status} ne ($k % 2 ? 'closed' : 'archived') || $session->{message_count} != 1
            || ($session->{last_message}{content} // '') ne "text $k";
    }
    is(scalar @wrong, 0, 'each is read as it is') or diag(encode(\@wrong));
    my $last = $s->listen_to(escaped('x:last'), after => 0);
    my $x = $s->listen_to('x', after => 0);
    ok($s->hears($x, 'status') && $s->hears($last, 'status'), 'each is told what happens');
    is_deeply([map { $_->{session_id} } $s->heard($x), $s->heard($last)], ['x', 'x', 'x:last', 'x:last'], 'in itself');
    return if !$s->{postgres};
    ok(settled(), 'the archive has nothing to do');
    my %rows = map { split /\|/, $_, 2 } $s->psql("SELECT substr(message_id, 2), encode(convert_to(conversation_id, 'UTF8'), 'hex') FROM messages WHERE message_id ~ '^n[0-9]+\$'");
    is_deeply(\%rows, {map { my $id = $names[$_]; utf8::encode($id); ($_ => unpack 'H*', $id) } 0 .. $#names}, 'and in the database under its name');
    $s->redis('DEL', grep { /^chat_session:/ } @{$s->redis('KEYS', 'chat_session:*')});
    @wrong = grep { my $session = $s->session(escaped($names[$_])); ($session->{session_id} // '') ne $names[$_] || $session->{message_count} != 1 } 0 .. $#names;
    is(scalar @wrong, 0, 'what the cache forgot is read anew') or diag("@wrong");
    return;
}

sub refused_names {
    for (['a line' => 'x%0Ay'], ['NUL' => 'x%00y'], ['DEL' => 'x%7Fy'], ['no UTF-8' => 'x%FFy'], ['half an escape' => 'x%4'], ['no name' => ''], ['256 bytes and one' => 'x' x 257], ['the folder above' => '%2E%2E']) {
        my ($what, $id) = @$_;
        my @status = map { $_->status } $s->say($id, 'x', sender_type => 'system'), $s->read_session($id), $s->patch_session($id, status => 'closed');
        is(scalar(grep { !/^4\d\d$/ } @status), 0, "$what: refused (@status)");
    }
    my %wrong = ('a line in a sender' => {sender_id => "x\ny"}, '257 bytes of a sender' => {sender_id => "\x{1f600}" x 64 . 'x'}, 'a line in an id' => {message_id => "\n"});
    is($s->say('names', 'x', sender_type => 'system', %{$wrong{$_}})->status, 422, "$_: 422") for sort keys %wrong;
    is($s->say('names', 'x', sender_type => 'system', sender_id => "x\0")->status, 400, 'NUL in a sender: 400');
    my $longest = "\x{1f600}" x 64;
    is($s->say('names', 'call 0912 345 679', sender_id => $longest)->status, 202, 'the longest name of a sender');
    my $known = wait_for('him', 30, sub { my $a = $s->get('/api/v1/customers/' . escaped($longest), $s->platform_headers); $a->status == 200 && $a->json });
    is(($known || {})->{phone}, '+84912345679', 'is a customer');
    return;
}

for (['redis', 'lighttpd'], ['redis', 'apache'], ['sqlite', 'lighttpd']) {
    my ($store, $web) = @$_;
    subtest "$store behind $web" => sub {
        my $absent = missing($web, $store eq 'redis' ? qw(redis postgres) : ());
        plan skip_all => "$absent is not installed" if $absent;
        # Redis itself is busy for 0.3 s with an item of 70 MB, and longer where others want the processor
        $s = Stack->start(store => $store, web => $web, env => {REDIS_COMMAND_TIMEOUT_MS => 10_000});
        if ($store eq 'redis' && $web eq 'lighttpd') {
            my @letters;
            subtest 'good and bad items'      => sub { @letters = mixed() };
            subtest 'tried again and dropped' => sub { again(@letters) };
            $s->psql('CREATE TABLE arrivals (message_id text, at timestamptz)');
            $s->psql(q{CREATE FUNCTION arrive() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO arrivals VALUES (NEW.message_id, clock_timestamp()); RETURN NULL; END $$});
            $s->psql('CREATE TRIGGER arrive AFTER INSERT ON messages FOR EACH ROW EXECUTE FUNCTION arrive()');
            subtest 'nobody waits for them'   => \&delays;
            subtest 'large company'           => \&large_company;
        }
        subtest 'names'         => \&names;
        subtest 'refused names' => \&refused_names;
        $s->end_well;
    };
}

done_testing;
