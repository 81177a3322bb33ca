#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# A page that a row of `platforms` has: its webhooks are those of the bot that names the row, its replies go out by the row's address and token, as the row and
# the settings have them now; and where no bot names it any longer, nobody knows the page. The double lets nobody in but by the page's own token.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use File::Temp qw(tempdir);
use List::Util qw(max min);
use Test::More;
use Time::HiRes qw(sleep time);
use Stack;
use Stack::Pages;

my $absent = missing(qw(lighttpd redis postgres));
plan skip_all => "$absent is not installed" if $absent;

my $V1 = '/api/v1/admin';
my $dir = tempdir('tk-row-XXXXXX', TMPDIR => 1, CLEANUP => 1);
my %token = (ROW_ONE => "row-one-$$-4f0a91", ROW_TWO => "row-two-$$-77c3e2");
my $s;

sub admin {
    my ($method, $path, $row) = @_;
    my $a = $s->client->request(method => $method, path => "$V1/$path", headers => $s->admin_headers, (defined $row ? (json => $row) : ()));
    like($a->status, qr/^20[01]$/, "$method $path") or diag($a->text);
    return $a->json;
}

# Runs the code, and waits until every process has said so often more than before what it says then.
sub in_force {
    my ($line, $code) = @_;
    my @all = ($s->responders, $s->daemons);
    my $said = sub { open my $fh, '<', $_[0]{log} or return 0; return scalar(() = grep { /$line/ } <$fh>) };
    my %before = map { $_->name => $said->($_) } @all;
    $code->();
    ok(wait_for("all processes: $line", 20, sub { !grep { $said->($_) <= $before{$_->name} } @all }), 'it is in force everywhere');
    return;
}
sub rows_in_force { return in_force('bots are as the database has them now', @_) }

sub row { return {name => 'shop-row', provider => 'pages_fm', base_url => "http://127.0.0.1:$s->{double_port}", token => 'env:ROW_ONE', settings => {page_id => 'shop'}, @_} }
sub configure {
    open my $fh, '>', "$dir/new" or die $!;
    print $fh "PANCAKE_CALLS_PER_SECOND=$_[0]\n";
    close $fh or die $!;
    rename "$dir/new", "$dir/conf" or die $!;
    return;
}

# The webhook's status.
sub hears { my ($conversation, $page) = @_; return $s->deliver($s->customer($conversation, "hello $conversation", page => $page))->status }
my %replies; # of each conversation, as there should be
sub answers {
    my ($what, $conversation, $page) = @_;
    is(hears($conversation, $page), 200, "$what: its webhook is taken");
    my $n = ++$replies{$conversation};
    ok(wait_for("the reply: $what", 20, sub { $s->page_replies($conversation) >= $n }), "$what: it is answered");
    return;
}
sub asked { my $conversation = shift; return join ' ', map { $_->{bot}{id} } @{$s->ledger($conversation)->{ai}} }

# ---- a page of its own ----

sub begins {
    is(hears('early', 'shop'), 404, 'a page that no row has');
    admin(POST => 'platforms', row());
    rows_in_force(sub { admin(POST => 'bots', {bot_id => 'shop', name => 'Shop', platform => 'shop-row'}) });
    ok(wait_for('the reply to what was refused', 30, sub { $s->page_replies('early') }), 'what was refused a moment ago, since nobody knew the page, is answered');
    $replies{early} = 1;
    answers('the page of the row', 'a', 'shop');
    answers('the page of the settings', 'b', 'p1');
    is(asked('a'), 'shop', 'the one by the bot that names the row');
    is(asked('b'), 'default', 'the other by the default bot');
    answers('what is said behind a reply and its echo', 'a', 'shop');
    is(hears('late', 'other'), 404, 'another page is still nobody\'s');
    return;
}

# ---- a row that changes ----

sub changes {
    $s->pages(tokens => {shop => $token{ROW_TWO}});
    rows_in_force(sub { admin(PUT => 'platforms/shop-row', row(token => 'env:ROW_TWO')) });
    answers('by the new token', 'c', 'shop');
    answers('also where there was a reply before', 'a', 'shop');
    $s->pages(tokens => {shop2 => $token{ROW_TWO}});
    rows_in_force(sub { admin(PUT => 'platforms/shop-row', row(token => 'env:ROW_TWO', settings => {page_id => 'shop2'})) });
    is(hears('d', 'shop'), 404, 'the page that the row had before');
    answers('the page that it has now', 'e', 'shop2');
    return;
}

# ---- settings that reload ----

# How long it took from the first reply of these conversations to the last, in seconds.
sub span {
    my ($what, @conversations) = @_;
    my $said = $s->people_say(messages => [map { {page => 'shop2', conversation_id => $_, text => 'hello'} } @conversations]);
    $s->deliver_all($said->{webhooks}, what => $what);
    ok(wait_for("replies: $what", 30, sub { !grep { !$s->page_replies($_) } @conversations }), "$what: they are answered");
    @replies{@conversations} = (1) x @conversations;
    my @at = map { map { $_->{at_us} / 1e6 } $s->page_replies($_) } @conversations;
    return max(@at) - min(@at);
}

sub reloads {
    in_force('configuration reloaded.*PANCAKE_CALLS_PER_SECOND', sub { configure(2); $_->signal('HUP') for $s->responders, $s->daemons });
    cmp_ok(span('two calls a second', 'f1' .. 'f3'), '>=', 2, 'of which one for replies: the row keeps it');
    $s->pages(limit => 0);
    in_force('configuration reloaded.*PANCAKE_CALLS_PER_SECOND', sub { configure(100); $_->signal('HUP') for $s->responders, $s->daemons });
    cmp_ok(span('a hundred', 'g1' .. 'g7'), '<', 3, 'and so it does with more');
    return;
}

# ---- a row that goes ----

sub ends {
    rows_in_force(sub { admin(DELETE => 'bots/shop') });
    is(hears('h', 'shop2'), 404, 'no bot names the row: nobody knows the page');
    admin(DELETE => 'platforms/shop-row');
    is(hears('h', 'shop2'), 404, 'nor without the row');
    answers('the page of the settings, as ever', 'i', 'p1');
    return;
}

# Each message was answered once, by one call, in every conversation that there is.
sub judge {
    ok(wait_for('peace', 30, sub { $s->quiet(1, 'sends') eq '' }), 'then there is peace');
    my $expected = join ' ', map { "$_:$replies{$_}" } sort keys %replies;
    my (%seen, %sent);
    $seen{$_} += scalar(() = $s->page_replies($_)) for keys %replies, qw(late d h);
    $sent{$_->{conversation_id}}++ for grep { $_->{call} eq 'send' } $s->page_calls;
    is(join(' ', map { "$_:$seen{$_}" } grep { $seen{$_} } sort keys %seen), $expected, 'people see one reply to each message that was taken');
    is(join(' ', map { "$_:$sent{$_}" } sort keys %sent), $expected, 'each by one call');
    is(join(' ', grep { $_ != 200 } map { $_->{status} } grep { $_->{call} eq 'send' } $s->page_calls), '', 'that was let in');
    is(scalar(grep { $_->{status} == 429 } $s->page_calls), 0, 'nothing was over the limit'); # a sweep may have read with a token that was just replaced
    return;
}

configure(5);
$s = Stack->start_pages(store => 'redis', pages => ['p1'], responders => 2, daemons => 2, env => {%token, TURNKEEPER_CONF => "$dir/conf"});
$s->pages(tokens => {shop => $token{ROW_ONE}}, webhook_url => "http://127.0.0.1:$s->{port}$Stack::WEBHOOKS", echo_times => 1);
begins();
changes();
reloads();
ends();
judge();
is(join('', $s->leaks(values %token)), '', 'no secret stands in a log');
$s->end_well;
done_testing;
