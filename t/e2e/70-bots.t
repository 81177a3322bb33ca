#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# The configuration of bots: created, read, replaced and deleted over HTTP and by turnkeeperctl, on both archives; known to every process within
# two seconds; rows that somebody types into the database; secrets that are never shown.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use JSON::PP ();
use Test::More;
use Time::HiRes qw(sleep time);
use Stack;

my $json = JSON::PP->new->utf8->canonical->allow_nonref;
my $V1   = '/api/v1/admin';
my %table = (bot => 'bots', core => 'ai_cores', platform => 'platforms');

# turnkeeperctl with these arguments and this standard input: (exit code, what it says).
sub ctl {
    my ($s, $input, @command) = @_;
    my $file = "$s->{dir}/logs/ctl";
    open my $fh, '>', "$file.in" or die $!;
    print $fh $input // '';
    close $fh or die $!;
    my $pid = fork // die "fork: $!";
    if (!$pid) {
        %ENV = (PATH => $ENV{PATH}, TURNKEEPER_CONF => '/dev/null', ADMIN_SOCKET => $s->admin_socket(1));
        open STDIN,  '<', "$file.in"  or POSIX::_exit(126);
        open STDOUT, '>', "$file.out" or POSIX::_exit(126);
        open STDERR, '>&', \*STDOUT   or POSIX::_exit(126);
        { no warnings 'exec'; exec {"$Stack::build/turnkeeperctl"} 'turnkeeperctl', @command }
        POSIX::_exit(127);
    }
    waitpid $pid, 0;
    my $code = $? >> 8;
    open my $in, '<', "$file.out" or die $!;
    local $/;
    return ($code, scalar(<$in>) // '');
}

# (status, decoded body)
sub http {
    my ($s, $method, $path, $row) = @_;
    my $a = $s->client->request(method => $method, path => "$V1/$path", headers => $s->admin_headers, (defined $row ? (json => $row) : ()));
    return ($a->status, $a->json);
}

sub lines {
    my ($log, $what) = @_;
    open my $fh, '<', $log or return ();
    return grep { /$what/ } <$fh>;
}

# Runs the code, and waits until every process says that it has read bots anew.
sub in_force {
    my ($s, $name, $code) = @_;
    my @all = ($s->responders, $s->daemons);
    my $what = 'bots are as the database has them now';
    my %before = map { ($_->name => scalar(() = lines($_->{log}, $what))) } @all;
    $code->();
    my $began = time;
    my $seen = wait_for("all processes to see: $name", 10, sub { !grep { scalar(() = lines($_->{log}, $what)) <= $before{$_->name} } @all });
    ok($seen, "$name: every process has read it");
    cmp_ok(time - $began, '<', bound(2), 'within two seconds');
    return;
}

sub over_http {
    my $s = shift;
    my ($status, $core) = http($s, POST => 'ai-cores', {name => 'fast', provider => 'native', base_url => 'http://127.0.0.1:1', api_key => 'env:BOTS_KEY'});
    is($status, 201, 'a core is created');
    like($core->{id}, qr/^[0-9a-f-]{36}$/, 'with a UUID');
    is($core->{version}, 1, 'version 1');
    cmp_ok(abs($core->{created_at} - time), '<', 120, 'a time in seconds');
    is($core->{api_key}, 'env:BOTS_KEY', 'and the name of its secret');
    ($status) = http($s, POST => 'platforms', {name => 'web/page', provider => 'log', settings => {idempotent => JSON::PP::true}});
    is($status, 201, 'a platform is created');
    my $bot = {bot_id => 'sales', name => 'Sales', ai_core => 'fast', platform => 'web/page', system_prompt => "Be \"kind\".\n\tÄ",
        settings => {on_newer => 'finish', tone => 'warm'}, environments => {test => {debounce_ms => 5}}};
    my $made;
    in_force($s, 'a new bot', sub { ($status, $made) = http($s, POST => 'bots', $bot) });
    is($status, 201, 'a bot is created');
    ($status, my $again) = http($s, POST => 'bots', $bot);
    is("$status $again->{code}", '409 exists', 'once');
    ($status, my $shown) = http($s, GET => 'bots/sales');
    is($status, 200, 'it is shown');
    is(delete $shown->{trouble}, undef, 'it has no trouble');
    is_deeply($shown, $made, 'as it was answered');
    is_deeply({map { $_ => $shown->{$_} } keys %$bot}, $bot, 'and as it was handed in');
    is((http($s, GET => "bots/$made->{id}"))[0], 200, 'by its UUID, too');
    ($status, my $page) = http($s, GET => 'platforms');
    is("$status $page->{total} $page->{platforms}[0]{name}", '200 1 web/page', 'a list');
    is((http($s, GET => 'platforms/web%2Fpage'))[0], 200, 'a name with a slash');

    ($status, my $wrong) = http($s, POST => 'bots', {bot_id => 'x', name => '', settings => {debounce_ms => -1}, colour => 'red'});
    is("$status $wrong->{code}", '422 validation_error', 'a wrong one is refused');
    is_deeply([map { join '.', @{$_->{loc}} } @{$wrong->{detail}}], [qw(body.colour body.name body.settings.debounce_ms)], 'with everything that is wrong');
    ($status, $wrong) = http($s, POST => 'bots', {bot_id => 'x', name => 'x', ai_core => 'nobody'});
    is("$status $wrong->{detail}[0]{type}", '422 unknown_ai_core', 'a core that is not there');
    ($status, $wrong) = http($s, POST => 'ai-cores', {name => 'y', provider => 'native', base_url => 'http://x', api_key => 'sk-123456'});
    is("$status $wrong->{detail}[0]{type}", '422 secret_reference', 'a secret itself');
    unlike($json->encode($wrong), qr/sk-123456/, 'is not repeated');
    ok(!(grep { lines($_->{log}, 'sk-123456') } $s->responders, $s->daemons), 'nor logged');
    ($status, $wrong) = http($s, POST => 'ai-cores', {name => 'y', provider => 'openai', model => 'gpt'});
    is("$status @{$wrong->{detail}[0]{loc}} $wrong->{detail}[0]{type}", '422 body base_url missing', 'an OpenAI-compatible core without its address');

    my $next;
    in_force($s, 'a change', sub { ($status, $next) = http($s, PUT => "bots/sales?version=$made->{version}", {name => 'Sales 2', ai_core => 'fast'}) });
    is("$status $next->{name} $next->{bot_id}", '200 Sales 2 sales', 'a bot is replaced');
    is_deeply([@$next{qw(platform system_prompt settings)}], [undef, undef, {}], 'all of it');
    cmp_ok($next->{version}, '>', $made->{version}, 'its version grows');
    is($next->{id}, $made->{id}, 'its id stays');
    ($status, my $stale) = http($s, PUT => 'bots/sales', {%$bot, version => $made->{version}});
    is("$status $stale->{code}", '409 stale', 'a version of before replaces nothing');
    ($status, my $used) = http($s, DELETE => 'ai-cores/fast');
    is("$status $used->{code} @{$used->{bots} || []}", '409 in_use sales', 'a core in use stays');
    is((http($s, DELETE => 'bots/nobody'))[1]{code}, 'unknown_bot', 'an unknown bot');
    is((http($s, DELETE => 'bots/sales'))[0], 200, 'the bot is deleted');
    is((http($s, DELETE => 'ai-cores/fast'))[0], 200, 'then its core');
    is((http($s, GET => 'ai-cores/fast'))[0], 404, 'both are gone');
    is($s->client->request(path => "$V1/bots", headers => $s->platform_headers)->status, 403, 'none of it is the platform\'s');
    return;
}

sub by_turnkeeperctl {
    my $s = shift;
    my ($code, $out) = ctl($s, $json->encode({name => 'c1', provider => 'simulated', settings => {delay_ms => 5}}), 'core', 'set', '-');
    is($code, 0, 'core set') or diag($out);
    my @bots = map { {bot_id => "b$_", name => "Bot $_ \"x\"", ai_core => 'c1', system_prompt => "line 1\nline 2 \\ \x{7}" . 'x' x (60000 * ($_ == 2))} } 1 .. 3;
    open my $fh, '>', "$s->{dir}/bots.json" or die $!;
    print $fh $json->encode(\@bots);
    close $fh or die $!;
    in_force($s, 'bots of a file', sub { ($code, $out) = ctl($s, undef, 'bot', 'set', "$s->{dir}/bots.json") });
    is($code, 0, 'bot set of an array') or diag($out);
    ($code, $out) = ctl($s, undef, 'bot', 'list');
    like($out, qr/^b1 +Bot 1 "x" +c1 +- +yes +1 /m, 'bot list');
    ($code, my $list) = ctl($s, undef, 'bot', 'list', '--json');
    is($json->decode($list)->{bots}[1]{system_prompt}, $bots[1]{system_prompt}, 'with all of it in JSON');
    ($code, $out) = ctl($s, $list, 'bot', 'set', '-');
    is($code, 0, 'which can be set as it is') or diag($out);
    ($code, $out) = ctl($s, $list, 'bot', 'set', '-');
    is($code, 1, 'once: then it is stale');
    like($out, qr/^turnkeeperctl: stale /m, 'and that is said');
    ($code, $out) = ctl($s, '{"bot_id":"b9"}', 'bot', 'set', '-');
    is("$code $out", "1 turnkeeperctl: validation_error name: Field required\n", 'a wrong one');
    is((ctl($s, '{"bot_id":', 'bot', 'set', '-'))[0], 64, 'no JSON');
    is((ctl($s, undef, 'bot', 'set', '/nonexistent'))[0], 64, 'no file');
    is((ctl($s, undef, 'bot', 'set'))[0], 64, 'no argument');
    ($code, $out) = ctl($s, undef, 'ai-core', 'show', 'c1');
    like($out, qr/^provider +simulated$/m, 'ai-core show');
    my $row = wait_for('the core of a bot', 10, sub {
        my ($c, $text) = ctl($s, undef, 'show', 'backends', '--json');
        my $rows = eval { $json->decode($text) } || [];
        return (grep { $_->{backend} eq 'ai_core' && $_->{name} eq 'c1' } @$rows)[0];
    });
    is($row && $row->{state}, 'closed', 'show backends has it, with its circuit');
    is((ctl($s, undef, 'core', 'delete', 'c1'))[1], "turnkeeperctl: in_use Bots use it: change them first.\n", 'core delete');
    is((ctl($s, undef, 'bot', 'delete', "b$_"))[0], 0, "bot delete b$_") for 1 .. 3;
    is((ctl($s, undef, 'core', 'delete', 'c1'))[0], 0, 'then the core goes');
    is((ctl($s, undef, 'platform', 'delete', 'web/page', 'version=1'))[0], 0, 'platform delete of a version');
    is((ctl($s, undef, 'bot', 'show', 'b1'))[0], 1, 'bot show of none');
    return;
}

# What somebody types into PostgreSQL: seen as fast, judged as strictly, and no reason to stumble.
sub by_hand {
    my $s = shift;
    in_force($s, 'rows typed by hand', sub {
        $s->psql(q{INSERT INTO ai_cores (id, name, provider, base_url, environments) VALUES
            (gen_random_uuid(), 'typed', 'native', 'http://127.0.0.1:1', '{"test":{"api_key":"sk-typed-secret"}}');
            INSERT INTO bots (id, bot_id, name, settings) VALUES (gen_random_uuid(), 'odd', 'Odd', '{"debounce_ms":"soon"}');
            INSERT INTO bots (id, bot_id, name, ai_core_id) SELECT gen_random_uuid(), 'openai', 'O', id FROM ai_cores WHERE name = 'typed'});
    });
    my $trouble = wait_for('the trouble of a bot', 5, sub { (http($s, GET => 'bots/odd'))[1]{trouble} });
    is($trouble, 'its row cannot be used: settings.debounce_ms: Input should be a valid integer', 'a bot says why it cannot be used');
    in_force($s, 'a change by hand', sub { $s->psql(q{UPDATE bots SET settings = '{"debounce_ms":5}' WHERE bot_id = 'odd'}) });
    ok(wait_for('the end of it', 5, sub { my $bot = (http($s, GET => 'bots/odd'))[1]; $bot->{bot_id} eq 'odd' && !defined $bot->{trouble} }), 'put right, it can be');
    my $core = (http($s, GET => 'ai-cores/typed'))[1];
    is($core->{environments}{test}{api_key}, '***', 'a secret that was typed in is not shown');
    ok(!(grep { lines($_->{log}, 'sk-typed-secret') } $s->responders, $s->daemons), 'nor logged');
    return;
}

for my $store (qw(sqlite redis)) {
    subtest $store => sub {
        my $lacks = missing('lighttpd', $store eq 'redis' ? qw(redis-server postgres) : ());
        plan skip_all => "$lacks is not installed" if $lacks;
        my $s = Stack->start(store => $store, env => {ENVIRONMENT => 'test', BOTS_KEY => 'key'});
        ok(wait_for('the tables', 30, sub { (http($s, GET => 'bots'))[0] == 200 }), 'the tables are there');
        over_http($s);
        by_turnkeeperctl($s);
        by_hand($s) if $s->{postgres};
        ok($s->post_message('c1', 'm1', 'hello')->outcome eq 'completed', 'the default bot answers as ever');
        $s->end_well;
    };
}

done_testing;
