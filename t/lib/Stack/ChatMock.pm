# SPDX-License-Identifier: MIT
# An AI service of somebody else's making: the mock of OpenAI's chat completions that t/npm/README describes, on a free loopback port. What it answers
# is said by fixtures, the first whose `match` fits the last user message counts. Knows nothing of turnkeeper.
#
#   my $why  = Stack::ChatMock->absent and plan skip_all => $why;
#   my $mock = Stack::ChatMock->start({match => {userMessage => 'hello'}, response => {content => 'Hi!'}}, ...);
#   $mock->url;                      # for AI_SERVICE_URL
#   my @requests = $mock->asked;     # the bodies that it was sent, oldest first
package Stack::ChatMock;
use strict;
use warnings;
use File::Path qw(remove_tree);
use File::Temp qw(tempdir);
use Stack;
use Stack::Client;

my $cli = "$Stack::build/npm/node_modules/\@copilotkit/aimock/dist/cli.cjs";

# Why it cannot be run here, "" when it can: fetched, if it was not so far.
sub absent {
    my $said = `"$Stack::source/t/npm/fetch" "$Stack::build" 2>&1`;
    return '' if $? == 0 && -f $cli;
    chomp $said;
    $said =~ s/^SKIP: \S+ //;
    return $said || 'the mock of an AI service cannot be had';
}

sub start {
    my ($class, @fixtures) = @_;
    my $self = bless {port => Stack::free_port(), dir => tempdir('chat-XXXXXX', TMPDIR => 1, CLEANUP => 0)}, $class;
    mkdir "$self->{dir}/fixtures" or die "$self->{dir}/fixtures: $!";
    open my $fh, '>', "$self->{dir}/fixtures/all.json" or die $!;
    print {$fh} Stack::Client->encode({fixtures => \@fixtures});
    close $fh or die $!;
    $self->{process} = Stack::Process->start(
        name => 'chat mock', log => "$self->{dir}/log",
        command => ['node', $cli, '--port', $self->{port}, '--host', '127.0.0.1', '--fixtures', "$self->{dir}/fixtures", '--validate-on-load', '--strict']);
    Stack::wait_for('the chat mock', 30, sub { $self->_get('/health')->status == 200 })
        or die "the chat mock does not come up:\n" . join '', Stack::Process::tail({log => "$self->{dir}/log"}, 20);
    return $self;
}

sub _get { my ($self, $path) = @_; return Stack::Client->new(port => $self->{port}, timeout => Stack::bound(20))->request(path => $path) }

sub url { return "http://127.0.0.1:$_[0]{port}/v1" }

# What it was asked, oldest first; text: only where that is part of the last message of the user.
sub asked {
    my ($self, $text) = @_;
    my $journal = $self->_get('/__aimock/journal?path=/v1/chat/completions')->json;
    my @bodies = map { $_->{body} } sort { $a->{timestamp} <=> $b->{timestamp} } @$journal;
    return @bodies if !defined $text;
    return grep { my ($last) = grep { $_->{role} eq 'user' } reverse @{$_->{messages}}; index($last->{content}, $text) >= 0 } @bodies;
}

sub end {
    my $self = shift;
    return if $self->{ended}++;
    $self->{process}->end;
    remove_tree($self->{dir}, {safe => 0});
    return;
}

1;
