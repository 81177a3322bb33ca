#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# The chat page of share/demo in a real browser: what a visitor sees and can do, over WebSocket and over server-sent events, while daemons are
# killed beside it, and that nothing from outside ever becomes anything but text.
use strict;
use warnings;
use utf8;
use FindBin;
use lib "$FindBin::Bin/../lib";
use Test::More;
use Time::HiRes qw(sleep time);
use Stack;
use Stack::Sessions;
use Browser;

binmode Test::More->builder->$_, ':utf8' for qw(output failure_output todo_output);
for my $absent (missing(qw(chromium chromedriver lighttpd apache))) { plan skip_all => "$absent is not installed" if $absent }

my $ENTER = "\x{e007}";
my $POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
my $ID = 'conv demo/1';

sub headers_are_right {
    my ($s) = @_;
    for my $file (['', 'text/html; charset=utf-8'], ['demo.css', 'text/css'], ['demo.js', 'text/javascript'], ['session.js', 'text/javascript'], ['icon.svg', 'image/svg+xml']) {
        my $answer = $s->get("/demo/$file->[0]");
        is($answer->status, 200, "$s->{web}: /demo/$file->[0]");
        is($answer->header('Content-Type'), $file->[1], "$s->{web}: its type");
        is($answer->header('Content-Security-Policy'), $POLICY, "$s->{web}: its policy");
        is($answer->header('X-Content-Type-Options'), 'nosniff', "$s->{web}: its type is meant");
        is($answer->header('Referrer-Policy'), 'no-referrer', "$s->{web}: its address goes nowhere");
    }
    like($s->get('/demo')->status, qr/^30[12]$/, "$s->{web}: /demo leads to /demo/");
    is($s->get('/demo/nothing.js')->status, 404, "$s->{web}: nothing else is there");
    like($s->get('/demo/README')->header('Content-Type') // '', qr{^application/json}, "$s->{web}: other names are turnkeeper's");
    is($s->get('/health')->status, 200, "$s->{web}: and everything else too");
    return;
}

# The page's lines: [classes, text of the bubble or of the note] each.
sub lines {
    my ($b) = @_;
    return @{$b->run(q{return [...document.querySelectorAll('#log > li:not(.day)')].map((li) => [li.className, (li.querySelector('.bubble') ?? li).textContent])})};
}
sub bubbles { return map { $_->[1] } grep { $_->[0] !~ /note/ } lines($_[0]) }
sub text_of { my ($b, $css) = @_; return $b->run('return document.querySelector(arguments[0])?.textContent ?? ""', $css) }
sub hidden  { my ($b, $css) = @_; return $b->run('return document.querySelector(arguments[0]).hidden', $css) }
sub transport { return text_of($_[0], '#transport') }
sub becomes { my ($b, $transport) = @_; return ok(wait_for("$transport in the page", 60, sub { transport($b) eq $transport }), "the transport is $transport") }
sub has_reply_to { my ($b, $text) = @_; return scalar grep { $_->[0] =~ /\bbot\b/ && $_->[1] =~ /\Q$text\E/ } lines($b) }
sub shows { my ($b, $text) = @_; return scalar grep { $_ eq $text } bubbles($b) }
sub write_message { my ($b, $text) = @_; return $b->type('#text', $text . $ENTER) }

sub in_path { return $_[0] =~ s{([ /])}{sprintf '%%%02X', ord $1}ger }

# The page shows what the event log says was said, and goes on showing it.
sub same_as_log {
    my ($s, $b, $what) = @_;
    my $stream = $s->listen_to(in_path($ID), after => 0);
    my (@log, @page);
    my $looks = 0;
    wait_for('all of the log in the page', 30, sub {
        sleep 0.2;
        @log = map { $_->{content} } grep { $_->{type} =~ /^(?:message|reply)$/ } $s->heard($stream);
        @page = bubbles($b);
        $looks = @log && "@log" eq "@page" ? $looks + 1 : 0;
        return $looks == 2;
    });
    $stream->hang_up;
    return is_deeply(\@page, \@log, "$what: the page shows what the log has, each once and in order");
}

# Opens the conversation with the platform's token, as a person with a keyboard does.
sub open_with_token {
    my ($s, $b, $id, $name) = @_;
    ok(wait_for('the form', 20, sub { !hidden($b, '#setup') }), 'the form is there');
    $b->clear($_) for '#session', '#sender';
    $b->type('#session', $id);
    $b->type('#sender', $name);
    $b->type('#token', $s->{platform_token} . $ENTER);
    return;
}

sub first_conversation {
    my ($s, $b) = @_;
    $b->go("http://127.0.0.1:$s->{port}/demo/");
    is($b->run('return document.title'), 'turnkeeper: a conversation', 'the page loads');
    like($b->run('return document.querySelector("#session").value'), qr/^demo-\w{8}$/, 'it proposes a conversation');
    is_deeply([$b->complaints], [], 'the console is silent');
    $b->type('#session', $ENTER);
    like(text_of($b, '#wrong'), qr/token or a ticket/, 'without a credential it says so');
    $b->type('#token', 'wrong' . $ENTER);
    ok(wait_for('the refusal', 20, sub { text_of($b, '#wrong') =~ /bearer token/ }), 'a wrong token leads back to the form, with the reason') or diag(text_of($b, '#wrong'));
    $b->complaints;

    open_with_token($s, $b, $ID, 'lan');
    becomes($b, 'WebSocket');
    $b->complaints; # the conversation is not there yet, which the browser notes
    $s->control(ai => {delay_ms => 1500});
    write_message($b, 'Xin chào, tôi muốn đặt lịch khám');
    ok(wait_for('typing', 20, sub { text_of($b, '#typing') ne '' }), 'the bot is seen writing');
    ok(wait_for('the reply', 30, sub { has_reply_to($b, 'đặt lịch khám') }), 'the reply comes');
    $s->control(ai => {delay_ms => 0});
    is(text_of($b, '#typing'), '', 'then it does not write any more');
    is(text_of($b, '#log .own .delivery'), 'Accepted', 'the message was accepted');
    is(scalar(bubbles($b)), 2, 'each is there once');
    is($b->run('return document.activeElement.id'), 'text', 'the next one can be written at once');
    unlike($b->run('return JSON.stringify([location.href, {...localStorage}, {...sessionStorage}, document.documentElement.outerHTML, document.querySelector("#token").value])'),
        qr/\Q$s->{platform_token}\E/, 'the token is neither in the address nor stored nor in the page');
    return;
}

sub content_is_text {
    my ($s, $b) = @_;
    my $evil = '<img src=x onerror="document.title=1"><script>document.title=1</script><b>&amp;';
    write_message($b, $evil);
    ok(wait_for('the reply', 30, sub { has_reply_to($b, '<b>&amp;') }), 'a reply with markup comes');
    is(shows($b, $evil), 1, 'markup is shown as it was written');
    is($b->run('return document.querySelectorAll("#log img, #log script, #log b").length'), 0, 'and is no element');
    is($b->run('return document.title'), 'turnkeeper: a conversation', 'and did nothing');
    $b->run('document.querySelector("#text").value = "half \ud800 a character"; document.querySelector("#write").requestSubmit()');
    ok(wait_for('the reply', 30, sub { has_reply_to($b, "half \x{fffd} a character") }), 'what is no text becomes some');
    $b->run('document.querySelector("#text").value = "x".repeat(70000); document.querySelector("#write").requestSubmit()');
    ok(wait_for('the refusal', 20, sub { text_of($b, '#log .refused .delivery') =~ /^Not sent\..*content/ }), 'what is too long is refused, and the reason said') or diag(text_of($b, '#log'));
    $b->click('#log .refused button');
    ok(wait_for('the refusal', 20, sub { text_of($b, '#log .refused .delivery') =~ /^Not sent\./ }), 'it can be tried again');
    $b->run('document.querySelector("#log .refused").remove()');
    is_deeply([$b->complaints], [], 'nothing of this is an error or breaks the policy');
    return;
}

# Returns the second tab, which has a ticket only.
sub second_tab {
    my ($s, $b) = @_;
    my $first = $b->tab;
    $b->click('#hand');
    my $link = wait_for('the link', 20, sub { $b->run('return document.querySelector("#link").value') });
    like($link, qr/#session=.*&ticket=/, 'a link for the customer is made');
    my $second = $b->new_tab;
    $b->go($link);
    becomes($b, 'WebSocket');
    same_as_log($s, $b, 'a second tab');
    ok(hidden($b, '#tools'), 'with a ticket there is nothing to administer');
    write_message($b, 'from the second tab');
    ok(wait_for('the reply', 30, sub { has_reply_to($b, 'second tab') }), 'it can write');
    $b->use_tab($first);
    ok(wait_for('the other tab', 30, sub { has_reply_to($b, 'second tab') }), 'the first one sees it');
    same_as_log($s, $b, 'the first tab');
    $b->use_tab($second);
    $b->reload;
    becomes($b, 'WebSocket');
    same_as_log($s, $b, 'a reload');
    is_deeply([$b->complaints], [], 'no complaints');
    $b->use_tab($first);
    return $second;
}

sub people_and_failures {
    my ($s, $b) = @_;
    my $path = in_path($ID);
    $s->say($path, 'I take over.', sender_id => 'minh', sender_type => 'agent');
    ok(wait_for('the state', 30, sub { text_of($b, '#state') =~ /bot is silent until/ }), 'a person has taken over: the page says so');
    is(shows($b, 'I take over.'), 1, 'what he says is there');
    $b->click('#bot');
    ok(wait_for('the state', 30, sub { hidden($b, '#state') }), 'the bot may speak again');
    $s->patch_session($path, status => 'closed');
    ok(wait_for('the state', 30, sub { text_of($b, '#state') =~ /closed/ }), 'closed: the page says so');
    $s->patch_session($path, status => 'active');
    ok(wait_for('the state', 30, sub { hidden($b, '#state') }), 'and open again');
    $s->control(ai => {status => 400});
    write_message($b, 'a question that fails');
    ok(wait_for('the failure', 30, sub { text_of($b, '#log .failed') =~ /no reply: the AI service refused the request/ }), 'a reply that fails, and why') or diag(text_of($b, '#log'));
    is(text_of($b, '#typing'), '', 'nobody writes any more');
    $s->control(ai => {status => 200});
    return;
}

# More has happened than the log keeps.
sub long_past {
    my ($s, $b) = @_;
    my @requests = map { $s->say_request('long', "line $_", message_id => "line-$_", sender_id => 'shop', sender_type => 'system') } 1 .. 520;
    is(scalar(grep { $_->status != 202 } $s->burst([$requests[0]])), 0, 'a conversation');
    is($s->patch_session('long', check_reply => JSON::PP::false)->status, 200, 'a person has it');
    is(scalar(grep { $_->status != 202 } $s->burst([@requests[1 .. 519]], connections => 8)), 0, '519 more messages');
    my $tab = $b->tab;
    $b->new_tab;
    $b->go("http://127.0.0.1:$s->{port}/demo/");
    open_with_token($s, $b, 'long', 'anh');
    ok(wait_for('the lines', 60, sub { bubbles($b) == 500 }), 'the page shows the 500 that are kept') or diag(scalar bubbles($b));
    like(text_of($b, '#log .note'), qr/^\d+ earlier events are not kept any more/, 'and says that there were others');
    ok(wait_for('the state', 20, sub { text_of($b, '#state') =~ /bot is silent: a person/ }), 'it has read the state anew, which no event tells any more');
    ok($b->run('const s = document.querySelector("#scroll"); return Math.abs(s.scrollTop) < 5 && s.scrollHeight > 2 * s.clientHeight'), 'the end is in view');
    $b->run('window.close()');
    $b->use_tab($tab);
    return;
}

# The daemon that holds the WebSockets is killed, another one takes over; then that one, too.
sub cuts {
    my ($s, $b, $second) = @_;
    my $path = in_path($ID);
    $b->complaints;
    $s->daemon(1)->kill9;
    $s->say($path, 'said while the connection was cut', sender_id => 'lan', sender_type => 'user');
    write_message($b, 'written while the connection was cut');
    ok(wait_for('the replies', 60, sub { has_reply_to($b, 'written while') && has_reply_to($b, 'said while') }), 'the conversation goes on');
    becomes($b, 'WebSocket');
    same_as_log($s, $b, 'after the daemon was killed');

    $s->daemon(2)->kill9;
    becomes($b, 'SSE');
    write_message($b, 'sent over POST');
    ok(wait_for('its acceptance', 30, sub { $b->run('return [...document.querySelectorAll("#log .own")].pop().querySelector(".delivery")?.textContent') eq 'Accepted' }),
        'with the token messages go over POST');
    is(shows($b, 'sent over POST'), 1, 'it is there once');
    my $first = $b->tab;
    $b->use_tab($second);
    becomes($b, 'SSE');
    ok(wait_for('the same in the other tab', 30, sub { shows($b, 'sent over POST') == 1 }), 'the second tab hears it over SSE');
    ok($b->run('return document.querySelector("#text").disabled'), 'with a ticket it can only read now');
    like($b->run('return document.querySelector("#text").placeholder'), qr/only read/, 'and says so');
    $s->start_daemon(1);
    becomes($b, 'WebSocket');
    ok(!$b->run('return document.querySelector("#text").disabled'), 'then it can write again');
    $b->use_tab($first);
    ok(wait_for('the late reply', 60, sub { has_reply_to($b, 'sent over POST') }), 'the reply comes once there is a daemon again');
    becomes($b, 'WebSocket');
    same_as_log($s, $b, 'after all that');
    is(scalar(grep { !/WebSocket connection to .* failed|ERR_INCOMPLETE_CHUNKED_ENCODING/ } $b->complaints), 0, 'the console tells of the cuts and of nothing else');
    return;
}

sub looks {
    my ($s, $b) = @_;
    $b->screenshot("$s->{dir}/demo.png");
    $b->device(320, 640);
    is($b->run('return document.documentElement.scrollWidth'), 320, 'a conversation fits into 320 pixels');
    is($b->run('return [...document.querySelectorAll("#chat *")].filter((e) => e.getBoundingClientRect().right > 320 && !e.closest(".unseen")).length'), 0, 'all of it');
    $b->scheme('dark');
    $b->screenshot("$s->{dir}/demo-320.png");
    isnt($b->run('return getComputedStyle(document.body).color'), 'rgb(20, 33, 31)', 'in the dark it is dark');
    $b->keys("\x{e004}"); # Tab
    isnt($b->run('return getComputedStyle(document.activeElement).outlineStyle'), 'none', 'the focus can be seen');
    $b->run('sessionStorage.clear(); location.reload()');
    ok(wait_for('the form', 20, sub { eval { !hidden($b, '#setup') } }), 'without token and ticket there is the form');
    is($b->run('return document.querySelector("#session").value'), $ID, 'it knows the conversation');
    is($b->run('return document.documentElement.scrollWidth'), 320, 'the form fits, too');
    is($b->run('return [...document.querySelectorAll("input, select, textarea")].filter((e) => !e.labels.length && !e.ariaLabel).length'), 0, 'every field has a label');
    return;
}

my $apache = Stack->start(web => 'apache', daemons => 0, double => 0);
headers_are_right($apache);
$apache->finish;

my $s = Stack->start(daemons => 2, env => {JOB_MAX_ATTEMPTS => 1, DEBOUNCE_MS => 0});
headers_are_right($s);
mkdir "$s->{dir}/browser";
my $b = Browser->start(dir => "$s->{dir}/browser", port => Stack::free_port(), timeout => bound(60));
first_conversation($s, $b);
content_is_text($s, $b);
my $second = second_tab($s, $b);
people_and_failures($s, $b);
long_past($s, $b);
cuts($s, $b, $second);
looks($s, $b);
ok($b->end, 'the browser ends');
$s->end_well(except => ['daemon 2']);
done_testing();
