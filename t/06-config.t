#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# What -t and -T say about configurations: every mistake with file and line, or with the environment variable that holds it; where each value
# is from; no secret. All programs say the same.
use strict;
use warnings;
use Cwd qw(abs_path);
use File::Temp qw(tempdir);
use Test::More;

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
done_testing;
