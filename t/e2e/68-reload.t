#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# HUP and RELOAD: what reloads is in force at once, a running turn goes on, an invalid file is refused as a whole, what needs a restart is named,
# and the log follows a rotation and a new name.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use File::Temp qw(tempdir);
use Test::More;
use Time::HiRes qw(sleep time);
use Stack;

my $dir  = tempdir('tk-reload-XXXXXX', TMPDIR => 1, CLEANUP => 1);
my $file = "$dir/turnkeeper.conf";
my %now  = (PANCAKE_ACCESS_TOKEN => 'token-one', ADMIN_ACCESS_TOKEN => 'admin-one', ENVIRONMENT => 'test');

# The file anew: these settings changed (undef: gone), or this text behind them.
sub configure {
    my ($changes, $more) = @_;
    %now = (%now, %{$changes || {}});
    open my $fh, '>', "$file.new" or die $!;
    print $fh map { "$_=$now{$_}\n" } grep { defined $now{$_} } sort keys %now;
    print $fh $more // '';
    close $fh or die $!;
    rename "$file.new", $file or die $!;
    return;
}

sub lines {
    my ($log, $what) = @_;
    open my $fh, '<', $log or return ();
    return grep { /$what/ } <$fh>;
}

# HUP to all, and what each of them must say to it.
sub hup {
    my ($s, $what, $log) = @_;
    my @all = ($s->responders, $s->daemons);
    my %before = map { my $p = $_; ($p->name => scalar(() = lines($log // $p->{log}, "\"pid\":" . $p->pid . ",.*$what"))) } @all;
    $_->signal('HUP') for @all;
    for my $p (@all) {
        my $pid = $p->pid;
        ok(wait_for("HUP of " . $p->name, 20, sub { (() = lines($log // $p->{log}, "\"pid\":$pid,.*$what")) > $before{$p->name} }), $p->name . " says: $what");
    }
    return;
}

sub status_with {
    my ($s, $token, $id) = @_;
    return $s->post_message("t-$token", $id, 'hello', headers => {Authorization => "Bearer $token"})->status;
}

sub ctl {
    my ($s, @command) = @_;
    my $pid = open(my $out, '-|') // die "fork: $!";
    if (!$pid) {
        %ENV = (%{$s->settings}, ADMIN_SOCKET => $s->admin_socket(1));
        open STDERR, '>&', \*STDOUT or die $!;
        exec "$Stack::build/turnkeeperctl", @command or die $!;
    }
    my $text = do { local $/; <$out> } // '';
    close $out;
    return ($? >> 8, $text);
}

sub all {
    my $store = shift;
    %now = (PANCAKE_ACCESS_TOKEN => 'token-one', ADMIN_ACCESS_TOKEN => 'admin-one', ENVIRONMENT => 'test');
    configure();
    my $s = Stack->start(store => $store, env => {TURNKEEPER_CONF => $file, PANCAKE_ACCESS_TOKEN => undef, ADMIN_ACCESS_TOKEN => undef, LOG_LEVEL => undef});
    $s->{platform_token} = 'token-one';
    ok(wait_for('all programs', 30, sub { 3 == grep { lines($_->{log}, ' is up"') } $s->responders, $s->daemons }), 'all programs are up');

    # rotation of a token: both, then the new one alone
    is(status_with($s, 'token-two', 'm0'), 401, 'a token that is not yet known');
    configure({PANCAKE_ACCESS_TOKEN => 'token-one,token-two'});
    hup($s, 'configuration reloaded.*PANCAKE_ACCESS_TOKEN');
    is(status_with($s, 'token-one', 'm1'), 200, 'the old token');
    is(status_with($s, 'token-two', 'm1'), 200, 'and the new one');
    configure({PANCAKE_ACCESS_TOKEN => 'token-two'});
    hup($s, 'configuration reloaded.*PANCAKE_ACCESS_TOKEN');
    is(status_with($s, 'token-one', 'm2'), 401, 'then no longer the old one');
    $s->{platform_token} = 'token-two';

    # a policy; the turn that runs keeps its own
    $s->control(conversation_id => 'runs', ai => {delay_ms => 1500});
    my $first = $s->background($s->message('runs', 'm1'));
    ok(wait_for('the AI call', 10, sub { @{$s->ledger('runs')->{ai}} > 0 }), 'a turn runs');
    configure({ON_NEWER => 'finish', DEBOUNCE_MS => 300, MAX_BODY_BYTES => 2048});
    hup($s, 'configuration reloaded.*DEBOUNCE_MS MAX|configuration reloaded.*MAX_BODY_BYTES');
    is($s->post_message('runs', 'm2')->outcome, 'locked', 'a newer message');
    is($first->()->outcome, 'restart_needed', 'the running turn keeps the policy that it began with');
    ok(wait_for('the reply', 20, sub { my $c = $s->covered('runs'); $c->{m1} && $c->{m2} }), 'both are answered');
    my ($opener, $joined); # whichever of two comes first
    wait_for('two in one window', 10, sub {
        my $conversation = 'burst' . int rand 1e9;
        ($opener, $joined) = sort { $a->outcome cmp $b->outcome } $s->burst([map { $s->message($conversation, $_) } 'm1', 'm2']);
        return $joined->outcome eq 'recorded';
    });
    is($joined->json->{result}{reason}, 'deferred', 'new turns wait for a quiet window') or diag($joined->text);
    is($opener->outcome, 'completed', 'whose opener has the answer');
    is($s->post_message('big', 'm1', 'x' x 4000)->status, 413, 'bodies have their new bound');

    # an invalid file: nothing of it
    configure({MAX_BODY_BYTES => 262144, PANCAKE_ACCESS_TOKEN => 'token-three'}, "RESTART_MAX=many\n");
    my $line = () = do { open my $fh, '<', $file or die $!; <$fh> };
    hup($s, "refused.*\Q$file\E:$line: RESTART_MAX");
    is(status_with($s, 'token-two', 'm5'), 200, 'the old token is still good');
    is(status_with($s, 'token-three', 'm5'), 401, 'the new one is not');
    is($s->post_message('big', 'm1', 'x' x 4000)->status, 413, 'nor is another bound');
    my ($code, $said) = ctl($s, 'reload');
    isnt($code, 0, 'RELOAD is refused too');
    like($said, qr/\Q$file\E:$line: RESTART_MAX/, 'and says why');
    configure({PANCAKE_ACCESS_TOKEN => 'token-two', CORS_ORIGINS => 'nonsense'});
    hup($s, 'refused.*CORS_ORIGINS');
    configure({CORS_ORIGINS => undef, PANCAKE_WEBHOOK_SECRET => 'a+b'});
    hup($s, 'hardly meant so.*PANCAKE_WEBHOOK_SECRET has a character');

    # what needs a restart
    configure({PANCAKE_WEBHOOK_SECRET => undef, PROCESSING_LOCK_TTL => 7, REDIS_DB => 3});
    hup($s, 'need a restart","settings":"REDIS_DB PROCESSING_LOCK_TTL"');
    is($s->post_message('big', 'm2', 'x' x 4000)->status, 200, 'the rest is taken over');
    configure({PROCESSING_LOCK_TTL => undef, REDIS_DB => undef, RESTART_MAX => 5});
    ($code, $said) = ctl($s, 'reload');
    is($code, 0, 'RELOAD by turnkeeperctl') or diag($said);
    like((ctl($s, 'show', 'config'))[1], qr/RESTART_MAX\W+5/, 'SHOW CONFIG shows it');
    unlike((ctl($s, 'show', 'config'))[1], qr/token-two|admin-one/, 'without secrets');
    like((ctl($s, 'show', 'backends'))[1], qr/\bai\b.*\bclosed\b/, 'SHOW BACKENDS shows the circuits');

    # the log: another file, and its rotation
    my $log = "$dir/turnkeeper.log";
    unlink $log;
    configure({LOG_FILE => $log, LOG_LEVEL => 'DEBUG'});
    hup($s, 'configuration reloaded', $log);
    $s->post_message('logged', 'm1');
    ok(wait_for('its line', 10, sub { lines($log, 'turn ended.*"logged"') }), 'lines go into the new file');
    is(scalar(() = map { lines($_->{log}, '"logged"') } $s->responders), 0, 'and no more into the old one');
    rename $log, "$log.1" or die $!;
    hup($s, 'configuration reloaded', $log);
    $s->post_message('rotated', 'm1');
    ok(wait_for('its line', 10, sub { lines($log, 'turn ended.*"rotated"') }), 'and follow a rotation');
    configure({LOG_FILE => undef, LOG_LEVEL => undef});
    hup($s, 'configuration reloaded');
    configure({LOG_LEVEL => 'ERROR'});
    $_->signal('HUP') for $s->responders, $s->daemons;
    ok(wait_for('silence', 20, sub { my $id = 'quiet' . int rand 1e9; $s->post_message($id, 'm1'); sleep 0.1; !map { lines($_->{log}, "\"$id\"") } $s->responders }), 'a level that is off writes nothing');
    for my $n (1 .. 5) { $_->signal('HUP') for $s->responders, $s->daemons }
    is($s->post_message('last', 'm1')->status, 200, 'many HUPs at once do no harm');
    $s->end_well;
    return;
}

plan skip_all => 'no lighttpd' if Stack::missing('lighttpd');
subtest 'SQLite' => sub { all('sqlite') };
done_testing;
