# SPDX-License-Identifier: MIT
# The part of Stack that talks to D's endpoints: users read their histories with tokens of their own, an AI service tells of exchanges. Wants
# env => {JWT_SECRET => $Stack::jwt_secret}. Methods of Stack.
package Stack;
use strict;
use warnings;
use Digest::SHA qw(hmac_sha256);
use Encode qw(encode_utf8);
use MIME::Base64 qw(encode_base64url);
use Stack::Client;

our $HISTORY = '/api/chathistory';
our $jwt_secret = 'the-secret-of-this-test-has-more-than-32-bytes';

# Percent-encoded, so that any id is one segment of a path.
sub segment { my $id = encode_utf8($_[0]); $id =~ s/([^A-Za-z0-9_.~-])/sprintf '%%%02X', ord $1/ge; return $id }

sub user_headers {
    my ($self, $user, %claims) = @_;
    my $text = join '.', map { encode_base64url(Stack::Client->encode($_)) } {alg => 'HS256', typ => 'JWT'}, {exp => int(CORE::time) + 600, userId => $user, %claims};
    return {Authorization => "Bearer $text." . encode_base64url(hmac_sha256($text, $jwt_secret))};
}

# A request as a user (undef: as the administrator) to what is behind /api/chathistory.
sub history_as {
    my ($self, $user, $behind, %o) = @_;
    return $self->{client}->request(path => "$HISTORY/$behind", headers => defined $user ? $self->user_headers($user) : $self->admin_headers, %o);
}

# A page; query: "page=2&pageSize=5".
sub page {
    my ($self, $user, $session, $query) = @_;
    return $self->history_as($user, segment($user) . '/sessions/' . segment($session) . (defined $query ? "?$query" : ''));
}

# "id=response" of each message, oldest first; without a response only the id.
sub page_line { my $a = shift; return $a->status == 200 ? join ' ', map { $_->{messageId} . (defined $_->{aiResponse} ? "=$_->{aiResponse}" : '') } @{$a->json->{messages}} : $a->text }

sub sync { my ($self, $what) = @_; return $self->{client}->request(path => "$HISTORY/sync", headers => $self->platform_headers, json => $what) }

# All of a user, as lines; a text when it was refused or is not whole.
sub export {
    my ($self, $user) = @_;
    my $answer = $self->history_as($user, segment($user) . '/export');
    return $answer->text if $answer->status != 200;
    my @lines = map { Stack::Client->decode($_) // "no JSON: $_" } split /\n/, $answer->body;
    my $last = pop @lines;
    return ref $last && ($last->{type} // '') eq 'end' ? \@lines : 'it has no end';
}

# Until the archive has nothing to do.
sub settle {
    my $self = shift;
    return wait_for('an empty queue', 30, sub { my $q = $self->admin('/api/v1/admin/queue')->json; defined $q->{depth} && $q->{depth} + $q->{taken} == 0 });
}

1;
