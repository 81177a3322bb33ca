#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# What -t and -T say about configurations: every mistake with file and line, or with the environment variable that holds it; where each value
# is from; no secret. What -tt finds behind the addresses. All programs say the same.
use strict;
use warnings;
use Cwd qw(abs_path);
use File::Temp qw(tempdir);
use FindBin;
use IO::Socket::INET;
use Test::More;
use Time::HiRes qw(time);

my $build = abs_path($ENV{TK_BUILD} // $ENV{top_builddir} // '.');
-x "$build/turnkeeperd" or plan skip_all => 'no programs are built';
my $dir  = tempdir('tk-conf-XXXXXX', TMPDIR => 1, CLEANUP => 1);
my $file = "$dir/turnkeeper.conf";

sub write_file { my ($name, $text) = @_; open my $fh, '>', $name or die $!; print $fh $text; close $fh or die $!; return }

# (exit code, what it wrote) of a program with nothing but this environment.
sub run {
    my ($program, $env, @arguments) = @_;
    my $pid = open(my $out, '-|') // die "fork: $!";
    if (!$pid) {
        %ENV = (PATH => $ENV{PATH}, (map { $_ => $ENV{$_} } grep { /SAN_OPTIONS|LLVM/ } keys %ENV), %$env);
        open STDERR, '>&', \*STDOUT or die $!;
        open STDIN, '<', '/dev/null' or die $!;
        exec "$build/$program", @arguments or die $!;
    }
    my $text = do { local $/; <$out> } // '';
    close $out;
    return ($? >> 8, $text);
}

my $good = "# two tokens\nPANCAKE_ACCESS_TOKEN=platform-secret-1\nADMIN_ACCESS_TOKEN=admin-secret-1\n";

# text behind $good (line 4 on), what the error must say
my @bad = (
    ['unknown name',       "API_PROT=8000\n",                                 qr/^\S+: \Q$file\E:4: API_PROT: unknown option$/m],
    ['not KEY=value',      "\n\nnonsense\n",                                  qr/\Q$file\E:6: not of the form KEY=value$/m],
    ['stands twice',       "API_PORT=1\nAPI_PORT=2\n",                        qr/\Q$file\E:5: API_PORT: stands in line 4 already$/m],
    ['no number',          "API_PORT=http\n",                                 qr/\Q$file\E:4: API_PORT: must be a number from 1 to 65535$/m],
    ['out of range',       "# x\nBREAKER_OPEN_MS=60001\n",                    qr/\Q$file\E:5: BREAKER_OPEN_MS: must be a number from 100 to 60000$/m],
    ['no choice',          "ON_NEWER=sometimes\n",                            qr/\Q$file\E:4: ON_NEWER: must be one of restart\|finish\|interrupt\|reject$/m],
    ['no yes or no',       "MIGRATE=perhaps\n",                               qr/\Q$file\E:4: MIGRATE: must be yes or no$/m],
    ['a quote is open',    "BOT_NAME=\"x\n",                                  qr/\Q$file\E:4: BOT_NAME: the double quote is not closed$/m],
    ['secret file',        "REDIS_PASSWORD_FILE=$dir/none\n",                 qr/\Q$file\E:4: REDIS_PASSWORD_FILE: .*none/m],
    ['debug, production',  "ENVIRONMENT=production\nDEBUG=yes\n",             qr/\Q$file\E:5: DEBUG is not allowed with ENVIRONMENT=production$/m],
    ['level',              "\nLOG_LEVEL=LOUD\n",                              qr/\Q$file\E:5: LOG_LEVEL must be/m],
    ['JWT secret',         "JWT_SECRET=hush-too-short\n",                     qr/\Q$file\E:4: JWT_SECRET: a secret for HS256 has at least 32 bytes, this one 14$/m],
    ['JWT key file',       "JWT_PUBLIC_KEY_FILE=$dir/none\n",                 qr/\Q$file\E:4: JWT_PUBLIC_KEY_FILE: .*none cannot be read/m],
    ['JWT key set',        "\nJWT_JWKS_FILE=$file\n",                         qr/\Q$file\E:5: JWT_JWKS_FILE: \Q$file\E: invalid JSON/m],
    ['page tokens',        "PANCAKE_PAGE_TOKENS=1=a,2\n",                    qr/\Q$file\E:4: PANCAKE_PAGE_TOKENS: entry 2 is not page=token$/m],
    ['pages, no token',    "PANCAKE_PROVIDER=pages_fm\n",                    qr/PANCAKE_PAGE_TOKENS is empty, and so is PANCAKE_OUTBOUND_TOKEN/],
    ['origin',             "CORS_ORIGINS=https://a.example, b.example\n",     qr/\Q$file\E:4: CORS_ORIGINS: an origin/m],
    ['base path',          "BASE_PATH=/chat/\n",                              qr/\Q$file\E:4: BASE_PATH must/m],
    ['WebSocket place',    "WEBSOCKET_LISTEN=somewhere:80\n",                 qr/\Q$file\E:4: WEBSOCKET_LISTEN: neither/m],
    ['AI without scheme',  "AI_SERVICE_URL=ai:8001\n",                        qr/\Q$file\E:4: AI_SERVICE_URL must begin with/m],
    ['no model',           "AI_PROVIDER=openai\n",                            qr/AI_MODEL is not set: AI_PROVIDER=openai needs the name of a model/],
    ['an unknown model',   "AI_PROVIDER=openai\nAI_MODEL=unknown\n",         qr/\Q$file\E:5: AI_MODEL is not set/m],
    ['URL of a call',      "AI_PROVIDER=openai\nAI_MODEL=m\nAI_SERVICE_URL=https://api.example/v1/chat/completions\n", qr{\Q$file\E:6: AI_SERVICE_URL must be the base, .* adds /chat/completions: https://api\.example/v1$}m],
    ['with a slash',       "AI_SERVICE_URL=http://127.0.0.1:1/chat/completions/\nAI_PROVIDER=openai\nAI_MODEL=m\n", qr{\Q$file\E:4: AI_SERVICE_URL must be the base, .*: http://127\.0\.0\.1:1$}m],
    ['of an old call',     "AI_SERVICE_URL=https://api.example/v1/completions\nAI_PROVIDER=openai\nAI_MODEL=m\n", qr{AI_SERVICE_URL must be the base, .*: https://api\.example/v1$}m],
    ['AI with a query',    "AI_SERVICE_URL=https://ai.example/?api-version=1\n", qr/\Q$file\E:4: AI_SERVICE_URL must not have a query/m],
    ['no URL',             "AI_SERVICE_URL=https://ai.example:99999\n",       qr/\Q$file\E:4: AI_SERVICE_URL is no URL$/m],
    ['platform, query',    "PANCAKE_BASE_URL=http://x/#a\n",                  qr/\Q$file\E:4: PANCAKE_BASE_URL must not have/m],
    ['blank token',        "AI_SERVICE_TOKEN=\"hush key\"\n",                 qr/\Q$file\E:4: AI_SERVICE_TOKEN holds a character that no token has$/m],
    ['pages, blank token', "PANCAKE_PROVIDER=pages_fm\nPANCAKE_OUTBOUND_TOKEN=\" \"\n", qr/\Q$file\E:5: PANCAKE_OUTBOUND_TOKEN holds/m],
    ['pages, commas only', "PANCAKE_PROVIDER=pages_fm\nPANCAKE_PAGE_TOKENS=\" , \"\n", qr/PANCAKE_PAGE_TOKENS is empty, and so is PANCAKE_OUTBOUND_TOKEN/],
    ['password in a URL',  "API_PORT=1\nPANCAKE_BASE_URL=http://u:hush\@x/\n", qr/\Q$file\E:5: PANCAKE_BASE_URL must not hold/m],
    ['Redis port',         "REDIS_URL=redis://h:hush\n",                      qr/\Q$file\E:4: REDIS_URL: the port/m],
    ['database',           "DATABASE_URL=mysql://hush\n",                     qr/\Q$file\E:4: DATABASE_URL must begin/m],
);
for my $case (@bad) {
    my ($name, $text, $wanted) = @$case;
    write_file($file, $good . $text);
    my ($code, $said) = run('turnkeeperd', {}, '-t', '-c', $file);
    is($code, 78, "$name: 78");
    like($said, $wanted, 'with file and line');
    unlike($said, qr/hush|secret-1/, 'no value of a secret');
}
write_file($file, "PANCAKE_ACCESS_TOKEN=your-secure-pancake-token-here\nADMIN_ACCESS_TOKEN=a\nENVIRONMENT=production\n");
like((run('turnkeeperd', {}, '-t', '-c', $file))[1], qr/\Q$file\E:1: PANCAKE_ACCESS_TOKEN is an example's token/, 'an example token');
write_file($file, "\nPANCAKE_ACCESS_TOKEN= , \nADMIN_ACCESS_TOKEN=a\n");
like((run('turnkeeperd', {}, '-t', '-c', $file))[1], qr/\Q$file\E:2: PANCAKE_ACCESS_TOKEN is empty/, 'an empty token');
write_file($file, "ADMIN_ACCESS_TOKEN=a\n");
like((run('turnkeeperd', {}, '-t', '-c', $file))[1], qr/PANCAKE_ACCESS_TOKEN is empty.*\(default\)/, 'a missing token');
like((run('turnkeeperd', {}, '-t', '-c', "$dir/none"))[1], qr/\Q$dir\E\/none/, 'a file that is not there');

write_file($file, $good . "AI_PROVIDER=openai\nAI_MODEL=gpt\nAI_SERVICE_URL=https://api.example/v1\n");
is((run('turnkeeperd', {}, '-t', '-c', $file))[0], 0, 'a model');
write_file($file, $good);
for my $case ([{API_PORT => 'x'}, qr/environment variable API_PORT: must be a number/], [{LOG_LEVEL => 'x'}, qr/environment variable LOG_LEVEL: LOG_LEVEL must be/],
    [{REDIS_PASSWORD_FILE => "$dir/none"}, qr/environment variable REDIS_PASSWORD_FILE: /], [{ADMIN_ACCESS_TOKEN => ' '}, qr/environment variable ADMIN_ACCESS_TOKEN: .*empty/]) {
    my ($code, $said) = run('turnkeeperd', $case->[0], '-t', '-c', $file);
    is($code, 78, 'exit code 78');
    like($said, $case->[1], 'the variable that is wrong');
}

write_file("$dir/password", "hush-password\n");
write_file($file, $good . "ON_NEWER=finish\nREDIS_PASSWORD_FILE=$dir/password\n");
for my $program (qw(turnkeeper.fcgi turnkeeperd)) {
    my ($code, $said) = run($program, {DEBOUNCE_MS => 50, TURNKEEPER_CONF => $file}, '-T');
    is($code, 0, "$program -T");
    like($said, qr/^ON_NEWER=finish # \Q$file\E:4$/m, 'file and line');
    like($said, qr/^DEBOUNCE_MS=50 # environment$/m, 'environment');
    like($said, qr/^RESTART_MAX=3 # default$/m, 'default');
    like($said, qr/^REDIS_PASSWORD=\*\*\* # \Q$dir\E\/password$/m, 'a secret from a file');
    like($said, qr/^ADMIN_ACCESS_TOKEN=\*\*\* # \Q$file\E:3$/m, 'a secret of the file');
    unlike($said, qr/hush|secret-1/, 'secrets are masked');
    is((run($program, {}, '-t', '-c', $file))[0], 0, 'and it is fine');
}

# What is allowed and hardly meant: said, and no reason to fail.
my $pages = "PANCAKE_PROVIDER=pages_fm\nPANCAKE_PAGE_TOKENS=1=hush-a\n";
my @doubts = (
    ['nothing',             '',                                                          undef],
    ['a secret',            $pages . "PANCAKE_WEBHOOK_SECRET=hush-b\n",                  undef],
    ['none',                $pages,                                                      qr/warning: PANCAKE_WEBHOOK_SECRET is empty: .*\(401\).*only every PANCAKE_SWEEP_MINUTES/],
    ['none, no sweep',      $pages . "PANCAKE_SWEEP_MINUTES=0\n",                        qr/warning: PANCAKE_WEBHOOK_SECRET is empty: .*no message comes then/],
    ['none, unknown pages', "PANCAKE_PROVIDER=pages_fm\nPANCAKE_OUTBOUND_TOKEN=hush-a\n", qr/warning: PANCAKE_WEBHOOK_SECRET is empty: .*no message comes then/],
    ['a secret with +',     $pages . "PANCAKE_WEBHOOK_SECRET=hush+b=\n",                 qr/warning: PANCAKE_WEBHOOK_SECRET has a character .*percent-encoded/],
    ['AI, path twice',      "AI_SERVICE_URL=http://ai:1/process/\n",                     qr/warning: AI_SERVICE_URL ends in AI_SERVICE_PATH/],
    ['platform, path twice', "PANCAKE_BASE_URL=http://p/api/v1/actions\n",               qr/warning: PANCAKE_BASE_URL ends in PANCAKE_ACTIONS_PATH/],
);
for my $case (@doubts) {
    my ($name, $text, $wanted) = @$case;
    write_file($file, $good . $text);
    for my $program (qw(turnkeeper.fcgi turnkeeperd)) {
        my ($code, $said) = run($program, {}, '-t', '-c', $file);
        is($code, 0, "doubts, $name: $program takes it");
        if (defined $wanted) { like($said, qr/^\Q$program\E: $wanted/m, 'and warns') }
        else { is($said, "$program: the configuration is fine\n", 'without a word more') }
        unlike($said, qr/hush|secret-1|is fine/, 'no value of a secret') if defined $wanted;
    }
}

# A program that starts says the same in its log; this one finds no socket on descriptor 0 and goes no further.
write_file($file, $good . $pages);
like((run('turnkeeper.fcgi', {}, '-c', $file))[1], qr/^\{.*"level":"WARNING".*"why":"PANCAKE_WEBHOOK_SECRET is empty: [^"]*"\}$/m, 'a doubt in the log');
write_file($file, $good);
unlike((run('turnkeeper.fcgi', {}, '-c', $file))[1], qr/WARNING/, 'and none where there is none');

# The address in force, of whichever provider.
write_file($file, $good . $pages);
like((run('turnkeeperd', {}, '-T', '-c', $file))[1], qr{^PANCAKE_BASE_URL=https://pages\.fm/api # default$}m, "the page API's address");
write_file($file, $good . $pages . "PANCAKE_BASE_URL=http://127.0.0.1:1/api\n");
like((run('turnkeeperd', {}, '-T', '-c', $file))[1], qr{^PANCAKE_BASE_URL=http://127\.0\.0\.1:1/api # \Q$file\E:6$}m, 'another one');
write_file($file, $good);
like((run('turnkeeperd', {}, '-T', '-c', $file))[1], qr{^PANCAKE_BASE_URL=http://pancake:8000 # default$}m, "the other provider's");

# ---- -tt ----

# A server that answers with the status that the path begins with, or not at all ("/hang"), and writes down what it was asked.
my $listen = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 20) or die "listen: $!";
my $port = $listen->sockport;
my $dead = do { my $s = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 1) or die "listen: $!"; $s->sockport };
my $server = fork // die "fork: $!";
if (!$server) {
    my @hanging;
    while (my $client = $listen->accept) {
        my $head = '';
        while ($head !~ /\r\n\r\n/) { sysread($client, $head, 4096, length $head) or last }
        open my $out, '>>', "$dir/asked" or die $!;
        print $out $head eq '' ? "nothing\n" : $head;
        close $out;
        if ($head =~ m{^GET /hang}) { push @hanging, $client; next }
        my ($status) = $head =~ m{^GET /(?:\S+/pages/)?(\d+)[^/]*/};
        my $body = $head =~ m{/pages/200no/} ? '{"success":false}' : $head =~ m{/pages/200/} ? '{"success":true,"conversations":[]}' : '{}';
        my $length = length $body;
        syswrite $client, "HTTP/1.1 $status X\r\nLocation: http://127.0.0.1:$dead/\r\nContent-Length: $length\r\n\r\n$body" if $status;
        close $client;
    }
    exit 0;
}
END { if ($server) { my $code = $?; kill 'KILL', $server; waitpid $server, 0; $? = $code } }

# (exit code, what it wrote, what the server was asked)
sub connects {
    my ($program, %env) = @_;
    unlink "$dir/asked";
    my ($code, $said) = run($program, {STATE_FILE => "$dir/state.db", RUN_DIR => "$dir/run", SQL_DIR => ($ENV{top_srcdir} // "$FindBin::Bin/..") . '/sql', LOG_LEVEL => 'ERROR',
        AI_PROVIDER => 'simulated', PANCAKE_PROVIDER => 'log', %env}, '-tt', '-c', $file);
    my $asked = '';
    if (open my $fh, '<', "$dir/asked") { local $/; $asked = <$fh> }
    return ($code, $said, $asked);
}
sub openai { my $path = shift; return (AI_PROVIDER => 'openai', AI_MODEL => 'm', AI_SERVICE_TOKEN => 'hush-key', AI_SERVICE_URL => "http://127.0.0.1:$port$path", @_) }

my ($code, $said, $asked) = connects('turnkeeperd');
is($said, "turnkeeperd: the configuration is fine\n", '-tt with nobody to ask');
for my $status (200, 404, 429) {
    ($code, $said, $asked) = connects('turnkeeperd', openai("/$status/v1/"));
    is("$code $said", "0 turnkeeperd: the configuration is fine\n", "an AI service that answers $status is there");
    like($asked, qr{\AGET /$status/v1/models HTTP/1\.1\r\n}, 'it was asked for its models');
    like($asked, qr{^Authorization: Bearer hush-key\r$}m, 'with the token');
    is(scalar(() = $asked =~ / HTTP\/1\.1\r\n/g), 1, 'and nothing else, once');
}
for my $status (401, 403) {
    ($code, $said) = connects('turnkeeper.fcgi', openai("/$status/v1"));
    is($code, 69, "$status: 69");
    like($said, qr{^turnkeeper\.fcgi: the AI service \(AI_SERVICE_URL\) refuses AI_SERVICE_TOKEN: status $status for GET http://127\.0\.0\.1:$port/$status/v1/models$}m, 'the token is refused');
    unlike($said, qr/hush|is fine/, 'and not shown');
}
($code, $said, $asked) = connects('turnkeeperd', openai('/401/v1', AI_SERVICE_TOKEN => ''));
is($code, 69, 'without a token: 69');
like($said, qr/wants a token, and AI_SERVICE_TOKEN is empty: status 401/, 'which is wanted');
unlike($asked, qr/Authorization/, 'none was shown');
for my $case ([500, qr/warning: the AI service .*is in trouble: status 500/], [503, qr/warning: .*status 503/], [308, qr/warning: .*redirects are not followed: status 308/]) {
    ($code, $said) = connects('turnkeeperd', openai("/$case->[0]/v1"));
    is($code, 0, "$case->[0]: a server that answers");
    like($said, $case->[1], 'with a warning');
}
my $begun = time;
($code, $said) = connects('turnkeeperd', openai('/hang'));
is($code, 69, 'one that never answers: 69');
like($said, qr{the AI service \(AI_SERVICE_URL\) does not answer GET http://\S+/hang/models: }, 'which is said');
cmp_ok(time - $begun, '<', 30, 'before long');

# The page API is asked for the newest of each page.
sub pages { my $ids = shift; return (PANCAKE_PROVIDER => 'pages_fm', PANCAKE_PAGE_TOKENS => join(',', map { "$_=hush-$_" } split ' ', $ids), PANCAKE_WEBHOOK_SECRET => 'hush-b', PANCAKE_BASE_URL => "http://127.0.0.1:$port/api") }
($code, $said, $asked) = connects('turnkeeperd', pages('200 429'));
is("$code $said", "0 turnkeeperd: the configuration is fine\n", 'two pages that are there');
like($asked, qr{^GET /api/public_api/v2/pages/$_/conversations\?since=\d+&until=\d+&page_access_token=hush-$_ HTTP}m, "$_ is asked with its token") for 200, 429;
is(scalar(() = $asked =~ / HTTP\/1\.1\r\n/g), 2, 'once');
for my $case ([401, qr/its token is refused: .*status 401/], [403, qr/the page cannot be used: .*status 403/], ['200no', qr/the page cannot be used: /], [302, qr/redirects are not followed: .*status 302/]) {
    ($code, $said) = connects('turnkeeper.fcgi', pages("200 $case->[0]"));
    is($code, 69, "page $case->[0]: 69");
    like($said, qr{\Aturnkeeper\.fcgi: page $case->[0] \(PANCAKE_PAGE_TOKENS\) at http://127\.0\.0\.1:$port/api: (?:$case->[1])[^\n]*\n\z}, 'only that one, and why');
    unlike($said, qr/hush/, 'without the token');
}
for my $case ([503, qr/the page API is in trouble: .*status 503/], [500, qr/the page cannot be read now: .*status 500/], ['200x', qr/the page cannot be read now: /]) {
    ($code, $said) = connects('turnkeeperd', pages($case->[0]));
    is($code, 0, "page $case->[0]: may be another time");
    like($said, qr/\Aturnkeeperd: warning: page $case->[0] .*$case->[1]/, 'with a warning');
}
($code, $said, $asked) = connects('turnkeeperd', pages(join ' ', map { "200x$_" } 1 .. 53));
like($said, qr/warning: PANCAKE_PAGE_TOKENS: 3 pages behind the first 50 were not tried/, 'many pages');
is(scalar(() = $asked =~ / HTTP\/1\.1\r\n/g), 50, 'of which some are asked');

# Others are connected to, and asked nothing.
($code, $said, $asked) = connects('turnkeeperd', AI_PROVIDER => 'native', AI_SERVICE_URL => "http://127.0.0.1:$port", PANCAKE_PROVIDER => 'pages_fm', PANCAKE_OUTBOUND_TOKEN => 'hush-a',
    PANCAKE_WEBHOOK_SECRET => 'hush-b', PANCAKE_BASE_URL => "http://127.0.0.1:$port/api");
is("$code $said", "0 turnkeeperd: the configuration is fine\n", 'an AI service and a platform that are there');
unlike($asked, qr/HTTP|hush/, 'nothing was sent');
($code, $said) = connects('turnkeeperd', AI_PROVIDER => 'native', AI_SERVICE_URL => "http://127.0.0.1:$dead", PANCAKE_PROVIDER => 'pages_fm', PANCAKE_PAGE_TOKENS => '1=hush-a',
    PANCAKE_BASE_URL => "http://127.0.0.1:$dead/api", REDIS_URL => "redis://127.0.0.1:$dead");
is($code, 69, 'nobody is there: 69');
like($said, qr/^turnkeeperd: Redis \(REDIS_URL\) cannot be reached at 127\.0\.0\.1:$dead: Connection refused$/m, 'the store');
like($said, qr{^turnkeeperd: the AI service \(AI_SERVICE_URL\) cannot be reached at http://127\.0\.0\.1:$dead: }m, 'the AI service');
like($said, qr{^turnkeeperd: the chat platform \(PANCAKE_BASE_URL\) cannot be reached at http://127\.0\.0\.1:$dead/api: }m, 'the platform: all of them are told');
like($said, qr/^turnkeeperd: warning: PANCAKE_WEBHOOK_SECRET is empty/m, 'with what -t warns of');
unlike($said, qr/hush|is fine/, 'and no secret');
($code, $said) = connects('turnkeeperd', PANCAKE_PROVIDER => 'actions', PANCAKE_BASE_URL => "https://127.0.0.1:$port");
is($code, 69, 'no TLS there: 69');
like($said, qr/the chat platform \(PANCAKE_BASE_URL\) cannot be reached at https:/, 'a connection that cannot be used is none');
done_testing;
