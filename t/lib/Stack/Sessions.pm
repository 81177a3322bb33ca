# SPDX-License-Identifier: MIT
# The part of Stack that talks to C's endpoints: sessions are read and changed, messages go in, events are listened to. Methods of Stack.
package Stack;
use strict;
use warnings;
use Stack::Events;

our $SESSIONS = '/api/v1/chat/sessions';

sub read_session { my ($self, $id, %o) = @_; return $self->{client}->request(path => "$SESSIONS/$id", headers => $self->platform_headers, %o) }
# The session as it is now, {} when it cannot be had.
sub session { my $a = read_session(@_); return $a->status == 200 ? $a->json : {} }
sub patch_session {
    my ($self, $id, %change) = @_;
    return $self->{client}->request(method => 'PATCH', path => "$SESSIONS/$id", headers => $self->platform_headers, json => \%change);
}

# A request for Stack::Client. Fields override the body; `after`, `headers` go to the request.
sub say_request {
    my ($self, $id, $text, %o) = @_;
    my %request = (path => "$SESSIONS/$id/messages", headers => {%{$self->platform_headers}, %{delete $o{headers} || {}}});
    $request{after} = delete $o{after} if exists $o{after};
    $request{json} = {content => $text, sender_id => "user of $id", sender_type => 'user', %o};
    delete $request{json}{$_} for grep { !defined $request{json}{$_} } keys %{$request{json}};
    return \%request;
}
sub say { my $self = shift; return $self->{client}->request(%{$self->say_request(@_)}) }

sub ticket {
    my ($self, $id, %o) = @_;
    return $self->{client}->request(path => '/api/v1/tickets', headers => $self->platform_headers, json => {session_id => $id, %o})->json->{ticket};
}

# A stream of the session's events. after => n, ticket => text, headers => {...}
sub listen_to {
    my ($self, $id, %o) = @_;
    my @query = map { defined $o{$_} ? "$_=$o{$_}" : () } qw(after ticket);
    my $path = "$SESSIONS/$id/events" . (@query ? '?' . join '&', @query : '');
    return Stack::Events->open(port => $self->{port}, path => $path, headers => $o{headers} // ($o{ticket} ? {} : $self->platform_headers));
}

# What has come over a stream so far, decoded.
sub heard { my ($self, $e) = @_; return map { Stack::Client->decode($_->{data}) } grep { defined $_->{data} } $e->events }
# Waits until something of this type (and, where said, with these members) has come.
sub hears {
    my ($self, $e, $type, %like) = @_;
    my $found = Stack::wait_for("a $type event", 30, sub {
        for my $event ($self->heard($e)) {
            next if $event->{type} ne $type;
            return $event if !grep { ($event->{$_} // '') ne $like{$_} } keys %like;
        }
        return undef;
    });
    Test::More::diag('heard: ' . Stack::Client->encode([$self->heard($e)])) if !$found;
    return $found;
}

1;
