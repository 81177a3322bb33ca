# SPDX-License-Identifier: MIT
# A headless Chromium for tests, through chromedriver (W3C WebDriver: JSON over HTTP). Both are started here and ended by process id; profile, log and
# screenshots lie in the test's directory. Knows nothing of the pages.
#
#   my $b = Browser->start(dir => $dir, port => free_port());
#   $b->go("http://127.0.0.1:8000/demo/");
#   is($b->run('return document.title'), ...);
package Browser;
use strict;
use warnings;
use MIME::Base64 qw(decode_base64);
use Time::HiRes qw(sleep time);
use Stack::Client;
use Stack::Process;

my @running;
my $owner = $$;

# width, height: of the window. Dies when the browser does not come up.
sub start {
    my ($class, %o) = @_;
    my $self = bless {width => 1000, height => 800, timeout => 60, %o}, $class;
    mkdir "$self->{dir}/profile";
    $self->{driver} = Stack::Process->start(
        name => 'chromedriver', log => "$self->{dir}/chromedriver.log", command => ['chromedriver', "--port=$self->{port}"],
        env => {PATH => $ENV{PATH}, HOME => "$self->{dir}/profile", TMPDIR => "$self->{dir}/profile", LANG => 'C.UTF-8', TZ => 'UTC'});
    $self->{client} = Stack::Client->new(port => $self->{port}, timeout => $self->{timeout});
    my $until = time + $self->{timeout};
    until (($self->{client}->request(path => '/status')->json // {})->{value}{ready}) {
        die 'chromedriver does not come up: ' . join '', $self->{driver}->tail(5) if time > $until;
        sleep 0.05;
    }
    my $session = $self->_ask(POST => '/session', {capabilities => {alwaysMatch => {
        'browserName' => 'chrome', 'goog:loggingPrefs' => {browser => 'ALL'},
        'goog:chromeOptions' => {args => [
            qw(--headless --no-sandbox --disable-gpu --disable-quic --disable-dev-shm-usage --no-first-run --disable-background-networking
                --disable-component-update --disable-sync), "--user-data-dir=$self->{dir}/profile", "--window-size=$self->{width},$self->{height}"]},
    }}});
    $self->{session} = "/session/$session->{sessionId}";
    $self->{pid} = $session->{capabilities}{'goog:processID'};
    push @running, $self;
    return $self;
}

sub _ask {
    my ($self, $method, $path, $json) = @_;
    my $answer = $self->{client}->request(method => $method, path => $path, json => $method eq 'POST' ? $json // {} : undef);
    my $value = ($answer->json // {})->{value};
    die "WebDriver: $method $path: " . (ref $value eq 'HASH' ? "$value->{error}: $value->{message}" : $answer->text) . "\n" if $answer->status != 200;
    return $value;
}
sub _do { my ($self, $method, $path, $json) = @_; return $self->_ask($method, "$self->{session}$path", $json) }

sub go     { $_[0]->_do(POST => '/url', {url => $_[1]}) }
sub reload { $_[0]->_do(POST => '/refresh') }
# What the script, a function's body, returns.
sub run { my ($self, $script, @args) = @_; return $self->_do(POST => '/execute/sync', {script => $script, args => \@args}) }

sub _element {
    my ($self, $css) = @_;
    my $found = $self->_do(POST => '/element', {using => 'css selector', value => $css});
    return '/element/' . (values %$found)[0];
}
# As a person does it: keys arrive one by one, a click lands only on what can be seen.
sub type  { my ($self, $css, $text) = @_; return $self->_do(POST => $self->_element($css) . '/value', {text => $text}) }
sub click { my ($self, $css) = @_; return $self->_do(POST => $self->_element($css) . '/click') }
sub clear { my ($self, $css) = @_; return $self->_do(POST => $self->_element($css) . '/clear') }
# Keys to whatever has the focus.
sub keys {
    my ($self, @keys) = @_;
    return $self->_do(POST => '/actions', {actions => [{type => 'key', id => 'keyboard',
        actions => [map { ({type => 'keyDown', value => $_}, {type => 'keyUp', value => $_}) } @keys]}]});
}

# Tabs: their handles; a new one, which becomes the one that is talked to.
sub tab     { $_[0]->_do(GET => '/window') }
sub new_tab { my $self = shift; my $new = $self->_do(POST => '/window/new', {type => 'tab'}); $self->use_tab($new->{handle}); return $new->{handle} }
sub use_tab { $_[0]->_do(POST => '/window', {handle => $_[1]}) }

# As a device of that size shows it (windows have a least width, devices do not).
sub device { my ($self, $width, $height) = @_; return $self->_chrome('Emulation.setDeviceMetricsOverride', {width => $width, height => $height, deviceScaleFactor => 1, mobile => JSON::PP::true}) }
sub scheme { my ($self, $scheme) = @_; return $self->_chrome('Emulation.setEmulatedMedia', {features => [{name => 'prefers-color-scheme', value => $scheme}]}) }
sub _chrome { my ($self, $command, $params) = @_; return $self->_do(POST => '/goog/cdp/execute', {cmd => $command, params => $params}) }

# What the console has said since the last call: errors, warnings, violations of the content security policy.
sub complaints { my $self = shift; return map { "$_->{level}: $_->{message}" } grep { $_->{level} =~ /SEVERE|WARNING/ } @{$self->_do(POST => '/se/log', {type => 'browser'})} }

# The page as it looks, as a PNG file.
sub screenshot {
    my ($self, $file) = @_;
    open my $out, '>:raw', $file or die "$file: $!";
    print {$out} decode_base64($self->_do(GET => '/screenshot'));
    close $out or die "$file: $!";
    return;
}

# Chromium goes with its session, the driver after it. Also when the test dies: a driver that is ended leaves its browser behind.
sub end {
    my $self = shift;
    @running = grep { $_ != $self } @running;
    eval { $self->_do(DELETE => '') };
    kill 'KILL', $self->{pid} if $self->{pid};
    return $self->{driver}->end;
}

END {
    my $status = $?;
    if ($$ == $owner) { $_->end for @running }
    $? = $status;
}

1;
