#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# The outcome of a job comes to the URL that its sender named: signed, tried again where that may help and not where it cannot, at least once whatever
# happens to the daemon, and never to an address that nobody has allowed. Signatures are checked by the text of Standard Webhooks alone.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use File::Temp ();
use MIME::Base64 qw(encode_base64);
use Test::More;
use Time::HiRes qw(sleep time);
use Stack;
use Stack::Receiver;

my $TRIES = 3;
my @SECRETS = map { 'whsec_' . encode_base64($_ x 32, '') } qw(a b);
my ($s, $hook, $file);

# What can be reloaded stands in a file.
sub configure {
    my %settings = @_;
    open my $fh, '>', "$file.new" or die $!;
    print {$fh} map { "$_=$settings{$_}\n" } sort keys %settings;
    close $fh or die $!;
    rename "$file.new", $file or die $!;
    return;
}

sub allowed { return join ',', $hook->url('/hooks'), $hook->url('', 'localhost') }

sub hup {
    my $reloads = sub { my $p = shift; open my $fh, '<', $p->{log} or return 0; my $pid = $p->pid; return scalar grep { /"pid":$pid,.*configuration reloaded/ } <$fh> };
    my @all = grep { $_->alive } $s->responders, $s->daemons;
    my %before = map { ($_->name => $reloads->($_)) } @all;
    $_->signal('HUP') for @all;
    ok(wait_for('the reload', 20, sub { !grep { $reloads->($_) <= $before{$_->name} } @all }), 'the configuration is read anew');
    return;
}

# A message with a callback to this path; the job's id.
sub begin {
    my ($c, $path, %o) = @_;
    my $answer = $s->chat($c, $o{parts} // 'call me back', resources => {callback_url => $hook->url($path), %{$o{resources} || {}}});
    is($answer->status, 200, "$path: taken") or diag($answer->text);
    return $answer->json->{ai_job_id};
}

# The requests to a path once there are n. At the end there have to be as many still.
my %expected;

sub requests {
    my ($path, $n, %o) = @_;
    my @got;
    wait_for("$n requests to $path", $o{seconds} // 40, sub { @got = $hook->got($path); @got >= $n });
    is(scalar @got, $n, "$path: $n requests");
    $expected{$path} = $n;
    return @got;
}

# Nothing is under way any more: what has not come by now never comes.
sub quiet {
    my $left = sub {
        return $s->redis('LLEN', 'callback_queue') + @{$s->redis('KEYS', 'callback_queue:batch*')} if $s->{store} eq 'redis';
        return 0;
    };
    ok(wait_for('an empty callback_queue', 60, sub { !$left->() }), 'no callback waits');
    my %came;
    $came{$_->{path}}++ for $hook->got;
    is_deeply(\%came, \%expected, 'none came more often than it had to');
    return;
}

sub is_good {
    my ($what, $request, $id, $type, @secrets) = @_;
    @secrets = $SECRETS[0] if !@secrets;
    is(Stack::Receiver::wrong_signature($request, $_), '', "$what: signed") for @secrets;
    is($request->{method} . ' ' . ($request->{headers}{'content-type'} // ''), 'POST application/json', "$what: a POST of JSON");
    is($request->{headers}{'webhook-id'}, $type eq 'job.failed' ? "$id-failed" : $id, "$what: webhook-id is the job's, or that of its failure");
    my $body = Stack::Receiver::body($request);
    is_deeply([sort keys %$body], [qw(data timestamp type)], "$what: its fields");
    is($body->{type}, $type, "$what: its type");
    like($body->{timestamp}, qr/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z\z/, "$what: its time");
    is($body->{data}{job_id}, $id, "$what: the job's id");
    return $body;
}

sub callback_letters { return grep { $_->{type} eq 'callback' } $s->letters($_[0]) }

# ---- delivery ----

sub delivered {
    my $id = begin('good', '/hooks/good');
    my ($request) = requests('/hooks/good', 1);
    my $body = is_good('completed', $request, $id, 'job.completed') or return;
    is_deeply($body->{data}, $s->job($id), 'the data is what GET shows');
    isnt(Stack::Receiver::wrong_signature($request, $SECRETS[1]), '', 'another secret does not fit');
    isnt(Stack::Receiver::wrong_signature($request, $SECRETS[0], 'x' . $request->{body64}), '', 'nor does another body');
    like($request->{headers}{'user-agent'}, qr{^turnkeeper/}, 'who it is');
    is($request->{headers}{authorization}, undef, 'no credential of ours goes along');

    $s->control(conversation_id => 'bad-ai', ai => {status => 400});
    my $failed = begin('bad-ai', '/hooks/failed');
    ($request) = requests('/hooks/failed', 1);
    $body = is_good('failed', $request, $failed, 'job.failed');
    is_deeply([@{$body->{data}}{qw(status error attempts)}], ['failed', 'ai_refused', $TRIES], 'a job that is given up: why');

    $s->control(conversation_id => 'slow-ai', ai => {delay_ms => 60_000});
    my $cancelled = begin('slow-ai', '/hooks/cancelled');
    $s->job_comes_to($cancelled, 20, 'processing');
    is($s->ask_job($cancelled, '', method => 'DELETE')->status, 200, 'a job is cancelled');
    ($request) = requests('/hooks/cancelled', 1);
    is_good('cancelled', $request, $cancelled, 'job.cancelled');
    return;
}

sub tried_again {
    $hook->answers('/hooks/500', {status => 500}, {status => 200});
    $hook->answers('/hooks/429', {status => 429, headers => {'Retry-After' => 3}}, {status => 204});
    $hook->answers('/hooks/cut', {cut => 1}, {status => 201});
    $hook->answers('/hooks/hang', {hang => 1}, {status => 200});
    my %ids = map { ($_ => begin("again-$_", "/hooks/$_")) } qw(500 429 cut hang);
    for my $how (sort keys %ids) {
        my @two = requests("/hooks/$how", 2);
        is_good("$how, try " . ($_ + 1), $two[$_], $ids{$how}, 'job.completed') for 0 .. $#two;
        is($two[1]{body64}, $two[0]{body64}, "$how: the same body") if @two > 1;
        cmp_ok($two[1]{at} - $two[0]{at}, '>=', 2.9, "$how: not before it said") if $how eq '429' && @two > 1;
    }
    return;
}

sub not_tried_again {
    $hook->answers('/hooks/400', {status => 400});
    $hook->answers('/hooks/302', {status => 302, headers => {Location => $hook->url('/hooks/elsewhere')}});
    $hook->answers('/hooks/dead', {status => 503});
    my %ids = map { ($_ => begin("never-$_", "/hooks/$_")) } qw(400 302 dead);
    my %want = (400 => [1, qr/status 400/], 302 => [1, qr/redirects are not followed/], dead => [$TRIES, qr/status 503/]);
    my %letter;
    for my $how (sort keys %ids) {
        my ($letter) = @{wait_for("the letter of $how", 40, sub { my @l = callback_letters("never-$how"); @l && \@l }) || []};
        ok($letter, "$how: given up: a dead letter") or next;
        requests("/hooks/$how", $want{$how}[0]);
        like($letter->{reason}, $want{$how}[1], "$how: which says why");
        is($letter->{attempts}, $want{$how}[0], "$how: after how many tries");
        is($letter->{item}{job_id}, $ids{$how}, "$how: of which job");
        $letter{$how} = $letter;
    }
    is(scalar(() = $hook->got('/hooks/elsewhere')), 0, 'a redirect is not followed');
    is($s->job($ids{dead})->{status}, 'completed', 'the job is completed all the same');

    $hook->answers('/hooks/400', {status => 200});
    $hook->answers('/hooks/dead', {status => 200});
    is($s->admin_post("/api/v1/admin/queue/dead/$letter{400}{id}/retry")->status, 200, 'an administrator has one tried again');
    my ($code, $said) = $s->turnkeeperctl(1, 'retry', $letter{dead}{id});
    is($code, 0, 'and one by turnkeeperctl') or diag($said);
    is_good('tried again', (requests('/hooks/400', 2))[1], $ids{400}, 'job.completed');
    is_good('tried again', (requests('/hooks/dead', $TRIES + 1))[-1], $ids{dead}, 'job.completed');
    is(scalar(callback_letters("never-$_")), 0, "the letter of $_ is gone") for qw(400 dead);
    return;
}

sub refused {
    my %wrong = ('another path' => $hook->url('/other'), 'another port' => 'http://127.0.0.1:1/hooks', 'another host' => 'http://127.0.0.2:' . "$hook->{port}/hooks",
        'https' => $hook->url('/hooks') =~ s/^http:/https:/r, 'a user' => $hook->url('/hooks') =~ s{//}{//a:b\@}r, 'up and out' => $hook->url('/hooks/../other'),
        'another writing' => 'http://127.1:' . "$hook->{port}/hooks", 'no URL' => 'hooks', 'metadata' => 'http://169.254.169.254/latest');
    for my $how (sort keys %wrong) {
        my $answer = $s->chat("refused", 'call me', resources => {callback_url => $wrong{$how}});
        is($answer->status, 422, "$how: refused") or diag($answer->text);
        is_deeply([map { "@{$_->{loc}} $_->{type}" } @{$answer->json->{detail} || []}], ['body resources callback_url callback_url'], "$how: and it is said which field");
    }
    is($s->admin('/api/v1/admin/conversations/refused')->status, 404, 'none of these was stored');
    my $answer = $s->chat('by-name', 'call me', resources => {callback_url => $hook->url('/by-name', 'localhost')});
    is($answer->status, 200, 'a name that is allowed') or diag($answer->text);
    my ($letter) = @{wait_for('its letter', 30, sub { my @l = callback_letters('by-name'); @l && \@l }) || []};
    ok($letter, 'but leads to an address that is not: given up at once');
    is($letter && $letter->{attempts}, 1, 'by the first try');
    is(scalar(() = $hook->got('/by-name')), 0, 'without a request');
    $s->job_completes($answer->json->{ai_job_id});
    return;
}

# ---- several senders, one job ----

sub merged {
    my $patient = {bot_id => 'patient'};
    my $first = begin('merged', '/hooks/one', resources => $patient);
    my $second = begin('merged', '/hooks/two', resources => $patient, parts => ['u call me back', 'u and me']);
    begin('merged', '/hooks/two', resources => $patient, parts => ['u call me back', 'u and me', 'u once more']);
    is($second, $first, 'two messages, one job');
    for my $path ('/hooks/one', '/hooks/two') {
        my $body = is_good($path, (requests($path, 1))[0], $first, 'job.completed');
        is($body->{data}{consolidated_messages}, 3, "$path: of all messages");
    }
    $s->control(conversation_id => 'anew', ai => {delay_ms => Stack::delay_ms(1.5)});
    my $early = begin('anew', '/hooks/early');
    $s->job_comes_to($early, 20, 'processing');
    my $late = begin('anew', '/hooks/late', parts => ['u call me back', 'u and me']);
    my %told = ('/hooks/early' => $early, '/hooks/late' => $late);
    for my $path (sort keys %told) {
        my $body = is_good("$path, begun anew", (requests($path, 1))[0], $told{$path}, 'job.completed');
        is_deeply($body->{data}{consolidated_messages}, 2, "$path: both messages");
    }
    is(scalar(() = $s->replies('anew')), 1, 'by one reply');
    return;
}

# ---- daemons that come and go ----

sub killed {
    $hook->answers('/hooks/killed', {hang => 1}, {status => 200});
    my $id = begin('killed', '/hooks/killed');
    requests('/hooks/killed', 1);
    $s->start_daemon(2);
    $s->daemon(1)->kill9;
    my @two = requests('/hooks/killed', 2, seconds => 60);
    is_good("killed: try $_", $two[$_ - 1], $id, 'job.completed') for 1, 2;
    is($two[1]{body64}, $two[0]{body64}, 'killed: the same body') if @two > 1;
    return;
}

# One that a receiver has put off for long goes to another daemon; one that is being answered gets its answer.
sub drained {
    $hook->answers('/hooks/put-off', {status => 503, headers => {'Retry-After' => 300}}, {status => 200});
    $hook->answers('/hooks/answering', {delay => 2});
    my $id = begin('put-off', '/hooks/put-off');
    requests('/hooks/put-off', 1);
    my $other = begin('answering', '/hooks/answering');
    requests('/hooks/answering', 1);
    $s->start_daemon(1);
    $s->daemon(2)->signal('TERM');
    ok($s->daemon(2)->wait_end(bound(30)) && $s->daemon(2)->status == 0, 'a daemon drains with callbacks under way');
    my @two = requests('/hooks/put-off', 2);
    is_good('given back', $two[1], $id, 'job.completed') if @two > 1;
    requests('/hooks/answering', 1);
    return;
}

sub rotated {
    my %settings = (CALLBACK_ALLOWLIST => allowed(), CALLBACK_TIMEOUT => 3);
    configure(%settings, CALLBACK_SECRET => "$SECRETS[1],$SECRETS[0]");
    hup();
    my $id = begin('rotated', '/hooks/both');
    my ($request) = requests('/hooks/both', 1);
    is_good('while rotating', $request, $id, 'job.completed', @SECRETS);
    is(scalar(() = $request->{headers}{'webhook-signature'} =~ /v1,/g), 2, 'one signature of each');
    configure(%settings, CALLBACK_SECRET => $SECRETS[1]);
    hup();
    $id = begin('rotated2', '/hooks/new');
    ($request) = requests('/hooks/new', 1);
    is_good('afterwards', $request, $id, 'job.completed', $SECRETS[1]);
    isnt(Stack::Receiver::wrong_signature($request, $SECRETS[0]), '', 'the old secret signs no more');

    # what waits for its next try, and is not allowed any more by then, is not sent
    $hook->answers('/hooks/withdrawn', {status => 503, headers => {'Retry-After' => 3}}, {status => 200});
    begin('withdrawn', '/hooks/withdrawn');
    requests('/hooks/withdrawn', 1);
    configure(%settings, CALLBACK_ALLOWLIST => 'https://hooks.example.com', CALLBACK_SECRET => $SECRETS[1]);
    hup();
    is($s->chat('withdrawn2', 'x', resources => {callback_url => $hook->url('/hooks/x')})->status, 422, 'a destination that is allowed no more');
    my ($letter) = @{wait_for('its letter', 30, sub { my @l = callback_letters('withdrawn'); @l && \@l }) || []};
    ok($letter, 'nor is what waited sent there');
    requests('/hooks/withdrawn', 1);
    return;
}

for my $store (qw(sqlite redis)) {
    subtest $store => sub {
        my $absent = missing('lighttpd', $store eq 'redis' ? qw(redis postgres) : ());
        plan skip_all => "$absent is not installed" if $absent;
        my $dir = File::Temp->newdir('tk-callbacks-XXXXXX', TMPDIR => 1);
        $file = "$dir/turnkeeper.conf";
        %expected = ();
        $hook = Stack::Receiver->start({dir => "$dir"});
        configure(CALLBACK_ALLOWLIST => allowed(), CALLBACK_TIMEOUT => 3, CALLBACK_SECRET => $SECRETS[0]);
        $s = Stack->start(store => $store, env => {TURNKEEPER_CONF => $file, JOB_MAX_ATTEMPTS => $TRIES, AI_SERVICE_TIMEOUT => 300, BREAKER_FAILURES => 0});
        ok(wait_for('the tables', 30, sub { $s->admin('/api/v1/admin/bots')->status == 200 }), 'it is up');
        my $patience = Stack::delay_ms(1.5);
        $s->configure_services(['bots', {bot_id => 'patient', name => 'Patient', settings => {debounce_ms => $patience, max_wait_ms => $patience}}]);
        subtest 'delivered'         => \&delivered;
        subtest 'tried again'       => \&tried_again;
        subtest 'not tried again'   => \&not_tried_again;
        subtest 'refused'           => \&refused;
        subtest 'merged'            => \&merged;
        subtest 'a daemon is lost'  => \&killed;
        subtest 'a daemon drains'   => \&drained;
        subtest 'secrets and list'  => \&rotated;
        quiet();
        is($s->double_stats->{$_}, 0, "no $_") for qw(duplicate_messages duplicate_keys);
        $s->end_well(except => ['daemon 2']);
        $hook->{process}->end;
    };
}

done_testing;
