#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# AI_PROVIDER=openai and cores of the database with that provider: who is asked with which model, prompt and key; what a model does wrong, and what
# becomes of it; settings that reload. The service is a script of this test's own.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use File::Temp qw(tempdir);
use JSON::PP ();
use Test::More;
use Stack;
use Stack::Receiver;

for my $absent (missing('lighttpd')) { plan skip_all => "$absent is not installed" if $absent }

my $json = JSON::PP->new->utf8->canonical;
my $V1   = '/api/v1/admin';
my $dir  = tempdir('tk-openai-XXXXXX', TMPDIR => 1, CLEANUP => 1);
my $file = "$dir/turnkeeper.conf";
my %KEY  = (first => 'sk-first-51f0a7', second => 'sk-second-9c44de', row => 'sk-row-77b3e2');
my ($s, $service);

# ---- what the service says ----

sub completion {
    my ($message, $finish) = @_;
    return {headers => {'Content-Type' => 'application/json'}, body => $json->encode({model => 'told', choices => [{index => 0, message => $message, finish_reason => $finish // 'stop'}],
        usage => {prompt_tokens => 5, completion_tokens => 2, total_tokens => 7}})};
}
sub text { return completion({role => 'assistant', content => $_[0]}) }
sub calls {
    my $n = 0;
    return completion({role => 'assistant', content => undef, tool_calls => [map { {id => 'call' . $n++, type => 'function', function => {name => $_->[0], arguments => $_->[1]}} } @_]}, 'tool_calls');
}
sub failure { my ($status, $code, $message) = @_; return {status => $status, body => $json->encode({error => {code => $code, type => $code, message => $message}})} }

# Bodies of what it was asked since the last look.
my %seen;
sub asked {
    my ($path) = @_;
    my @all = map { {%{Stack::Receiver::body($_)}, key => $_->{headers}{authorization} // ''} } $service->got($path);
    my @new = @all[($seen{$path} // 0) .. $#all];
    $seen{$path} = @all;
    return @new;
}

sub configure {
    my %now = (PANCAKE_ACCESS_TOKEN => $s ? $s->{platform_token} : 'platform', ADMIN_ACCESS_TOKEN => $s ? $s->{admin_token} : 'admin', ENVIRONMENT => 'test', AI_PROVIDER => 'openai',
        AI_SERVICE_URL => $service->url('/v1'), AI_SERVICE_TOKEN => $KEY{first}, AI_MODEL => 'one', AI_SYSTEM_PROMPT => 'You sell shoes.', AI_SERVICE_RETRIES => 1, @_);
    open my $fh, '>', "$file.new" or die $!;
    print $fh map { "$_=$now{$_}\n" } sort keys %now;
    close $fh or die $!;
    rename "$file.new", $file or die $!;
    return;
}

sub log_of { my ($p) = @_; open my $fh, '<', $p->{log} or return ''; local $/; return scalar(<$fh>) // '' }
sub all_logs { join '', map { log_of($_) } $s->responders, $s->daemons }
sub in_all { my ($what, $n) = @_; return !grep { my $count = () = log_of($_) =~ /$what/g; $count < $n } $s->responders, $s->daemons }

sub hup {
    my ($what) = @_;
    $_->signal('HUP') for $s->responders, $s->daemons;
    ok(wait_for("HUP: $what", 20, sub { in_all($what, 1) }), "all have said: $what");
    return;
}

sub types { return join ' ', map { $_->{type} } @{$_[0] // []} }
sub say_to { my ($bot, $c, $id, $text) = @_; return $s->post_message($c, $id, $text, metadata => {platform => 'web', (defined $bot ? (bot_id => $bot) : ())}) }

# ---- the settings' service ----

sub by_settings {
    my $path = '/v1/chat/completions';
    $service->answers($path, text('We open at nine.'));
    my $result = say_to(undef, 'plain', 'm1', 'When do you open?')->json->{result};
    is($result->{status}, 'completed', 'answered');
    is("$result->{ai_response}{response_text} $result->{ai_response}{model_used} $result->{ai_response}{finish_reason} $result->{ai_response}{usage}{total_tokens}",
        'We open at nine. told stop 7', 'with what the service says of it');
    my ($q) = asked($path);
    is("$q->{key} $q->{model}", "Bearer $KEY{first} one", 'with the key and the model of the settings');
    like($q->{messages}[0]{content}, qr/^You sell shoes\.\n/, 'and the prompt');
    is($q->{messages}[-1]{content}, 'When do you open?', 'the question last');
    is(join(' ', map { $_->{function}{name} } @{$q->{tools}}), 'send_message send_quick_replies send_carousel transfer_to_agent collect_info execute_api end_conversation', 'with all actions as tools');
    ok(!$q->{stream}, 'no stream: nobody listens');

    $service->answers($path, text('unused'), calls(['format_disk', '{}'], ['send_message', '{"message":"One moment."}']), calls(['send_quick_replies', '{"message":"Size?","quick_replies":["S","M"]}']));
    $result = say_to(undef, 'mended', 'm1', 'A shoe')->json->{result};
    is(types($result->{extracted_actions}), 'send_message send_quick_replies', 'a wrong call is mended, the right one is kept') or diag(explain($result));
    my @q = asked($path);
    is(scalar @q, 2, 'in two rounds');
    is(join(' ', map { $_->{role} } @{$q[1]{messages}}[-3 .. -1]), 'assistant tool tool', 'the second of which tells of each call');
    like($q[1]{messages}[-2]{content}, qr/"error":"unknown_type"/, 'what is wrong with it');

    $service->answers($path, (text('unused')) x 3, calls(['format_disk', '{}'], ['send_message', '{"message":"Yes."}']));
    $result = say_to(undef, 'wrong', 'm1', 'Again')->json->{result};
    is(types($result->{extracted_actions}), 'send_message', 'what stays wrong is dropped');
    is(scalar(my @rounds = asked($path)), 3, 'after three rounds');
    is(types(($s->replies('wrong'))[-1]{actions}), 'send_message', 'the platform gets what is right');
    return;
}

sub failing {
    my $path = '/v1/chat/completions';
    $service->answers($path, (text('unused')) x 6, failure(503, 'overloaded', 'later'), text('After all.'));
    is(say_to(undef, 'later', 'm1', 'Hello')->json->{result}{ai_response}{response_text}, 'After all.', 'one try that fails is followed by another');
    asked($path);
    $service->answers($path, (text('unused')) x 8, failure(401, 'invalid_api_key', "Incorrect API key provided: $KEY{first}, said Ms Nguyen"));
    my $answer = say_to(undef, 'refused', 'm1', 'Hello');
    isnt($answer->json->{result}{status} // '', 'completed', 'a refused key is no answer');
    like(all_logs(), qr/status 401: invalid_api_key/, 'which the log says');
    ok(scalar(asked($path)), 'it was asked');
    unlike(all_logs(), qr/Nguyen/, 'without repeating what else was said');
    return;
}

sub reloaded {
    my $path = '/other/chat/completions';
    $service->answers($path, text('From the other.'));
    configure(AI_SERVICE_URL => $service->url('/other'), AI_SERVICE_TOKEN => $KEY{second}, AI_MODEL => 'two', AI_SYSTEM_PROMPT => 'You sell hats.', AI_ANSWER_TOKENS => 99, AI_TOOLS => 'no');
    hup('configuration reloaded.*AI_SERVICE_URL');
    is(say_to(undef, 'reload', 'm1', 'Hello')->json->{result}{ai_response}{response_text}, 'From the other.', 'another service after a reload');
    my ($q) = asked($path);
    is("$q->{key} $q->{model} $q->{max_tokens}", "Bearer $KEY{second} two 99", 'with its key, model and bound');
    like($q->{messages}[0]{content}, qr/^You sell hats\.\n/, 'and its prompt');
    ok(!$q->{tools}, 'and without tools');
    configure(AI_MODEL => '');
    hup('AI_MODEL is not set');
    is(say_to(undef, 'reload', 'm2', 'Hello')->json->{result}{ai_response}{response_text}, 'From the other.', 'settings without a model are refused as a whole');
    asked($path);
    return;
}

# ---- cores of the database ----

sub admin {
    my ($method, $path, $row) = @_;
    return $s->client->request(method => $method, path => "$V1/$path", headers => $s->admin_headers, (defined $row ? (json => $row) : ()));
}

sub by_rows {
    my $path = '/row/v2/chat';
    $service->answers($path, text('From the row.'));
    is(admin(POST => 'ai-cores', {name => 'gpt', provider => 'openai', base_url => $service->url('/row'), path => '/v2/chat', model => 'three', api_key => 'env:KEY_OF_ROW', settings => {retries => 0}})->status,
        201, 'a core');
    is(admin(POST => 'ai-cores', {name => 'bare', provider => 'openai', base_url => $service->url('/row')})->status, 201, 'one without a model');
    is(admin(POST => 'bots', {bot_id => 'sales', name => 'Sales', ai_core => 'gpt', system_prompt => 'You are "Sales".'})->status, 201, 'a bot');
    is(admin(POST => 'bots', {bot_id => 'lost', name => 'Lost', ai_core => 'bare'})->status, 201, 'a bot of the other');
    ok(wait_for('the bots', 20, sub { !grep { log_of($_) !~ /bots are as the database has them now.*"bots":2/ } $s->responders, $s->daemons }), 'are known everywhere');
    my $result = say_to('sales', 'row', 'm1', 'Hello')->json->{result};
    is($result->{ai_response}{response_text}, 'From the row.', 'its service is asked') or diag(explain($result));
    my ($q) = asked($path);
    is("$q->{key} $q->{model}", "Bearer $KEY{row} three", 'with its own key and model');
    like($q->{messages}[0]{content}, qr/^You are "Sales"\.\n/, "and the bot's prompt");
    like(admin(GET => 'bots/lost')->json->{trouble} // '', qr/"bare": .*name of a model/, 'without a model it cannot be used, and says so');
    return;
}

sub test {
    my $place = {dir => $dir};
    $service = Stack::Receiver->start($place);
    configure();
    $s = Stack->start(env => {TURNKEEPER_CONF => $file, AI_SERVICE_URL => undef, KEY_OF_ROW => $KEY{row}, PANCAKE_ACCESS_TOKEN => undef, ADMIN_ACCESS_TOKEN => undef});
    $s->{platform_token} = 'platform';
    $s->{admin_token}    = 'admin';
    ok(wait_for('all programs', 30, sub { in_all(' is up"', 1) }), 'all programs are up');
    subtest 'by settings' => \&by_settings;
    subtest 'failing'     => \&failing;
    subtest 'by rows'     => \&by_rows;
    subtest 'reloaded'    => \&reloaded;
    unlike(all_logs(), qr/$KEY{$_}/, "the key of $_ is in no log") for sort keys %KEY;
    $s->end_well;
    return;
}

test();
done_testing;
