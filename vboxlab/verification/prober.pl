# Samples a web page at a fixed pace, in one process, with several requests in flight, and says what came of each.
# Arguments: address or name, port, Host header, path, seconds between requests, time-out, requests (0: until its input
# ends), seconds to live, then texts to look for in each answer.
# Needs perl-base only (no Time::HiRes there, hence the system call), so that it runs on the leanest Debian.
#
# Lines printed (times in seconds of the monotonic clock, unless said):
#   C MONOTONIC REAL BEGUN         its heartbeat: both clocks at one moment, and how many requests it has begun
#   B ID TEXT                      a page seen for the first time (its first 200 bytes, unsafe ones as %XX)
#   S START DURATION OUTCOME STATUS MARKS ID   a request that ended; OUTCOME: ok refused timeout broken unreachable;
#                                  MARKS: numbers of the texts that its answer contains, or -
#   E BEGUN                        the end: all requests that it has begun have ended
#   X TEXT                         why it cannot start
use strict;
use warnings;
use Config;
use Errno qw(EINPROGRESS ECONNREFUSED EHOSTUNREACH ENETUNREACH EINTR EAGAIN);
use Fcntl qw(F_GETFL F_SETFL O_NONBLOCK);
use Socket qw(AF_INET SOCK_STREAM SOL_SOCKET SO_ERROR inet_aton pack_sockaddr_in);

my ($address, $port, $host, $path, $every, $timeout, $wanted, $life, @marks) = @ARGV;
my $beat = 0.25;    # seconds; a gap of four means that it stood still
$| = 1;
$SIG{PIPE} = 'IGNORE';    # a server that hangs up must not end the prober; a listener that has gone does, see report

sub report { print @_, "\n" or exit 1 }

my $found = inet_aton($address);
if (!defined $found) { report("X the name $address does not resolve"); exit 1 }
my $target = pack_sockaddr_in($port, $found);
my $request = "GET $path HTTP/1.0\r\nHost: $host\r\nUser-Agent: vboxlab\r\nConnection: close\r\n\r\n";
my $call = $Config{archname} =~ /^x86_64/ ? 228 : $Config{archname} =~ /^aarch64/ ? 113 : undef;    # clock_gettime

sub clock {    # 0: real, 1: monotonic
    my ($which) = @_;
    if (defined $call) {
        my $timespec = "\0" x 16;
        syscall($call, $which, $timespec) == 0 and do {
            my ($seconds, $nanoseconds) = unpack 'q2', $timespec;
            return $seconds + $nanoseconds / 1e9;
        };
    }
    return time if $which == 0;
    open my $uptime, '<', '/proc/uptime' or die "no clock: $!\n";    # 10 ms steps
    return (split ' ', <$uptime>)[0];
}

my (%pages, %flying);    # page -> id; file number -> request in flight

sub ended {
    my ($one, $outcome) = @_;
    my ($status, $id, $held) = (0, 0, '-');
    if ($outcome eq 'answered') {
        my ($head, $body) = split /\r?\n\r?\n/, $one->{answer}, 2;
        my ($length) = ($head // '') =~ /^Content-Length:\s*(\d+)/mi;
        if (defined $body and $head =~ m{^HTTP/\d\S* (\d{3})} and (!defined $length or length $body >= $length)) {
            ($outcome, $status) = ('ok', $1);
            my @held = grep { index($body, $marks[$_]) >= 0 } 0 .. $#marks;
            $held = join ',', @held if @held;
            my $text = substr $body, 0, 200;
            $text =~ s/([^!-\$&-~])/sprintf '%%%02X', ord $1/ge;
            if (!exists $pages{$text}) {
                $pages{$text} = 1 + keys %pages;
                report("B $pages{$text} $text");
            }
            $id = $pages{$text};
        }
        else { $outcome = 'broken' }
    }
    close $one->{socket} if $one->{socket};
    report(sprintf 'S %.6f %.6f %s %d %s %d', $one->{start}, clock(1) - $one->{start}, $outcome, $status, $held, $id);
}

sub why { $_[0] == ECONNREFUSED ? 'refused' : $_[0] == EHOSTUNREACH || $_[0] == ENETUNREACH ? 'unreachable' : 'broken' }

sub launch {
    my ($now) = @_;
    my $one = { start => $now, until => $now + $timeout, sent => 0, answer => '' };
    socket(my $socket, AF_INET, SOCK_STREAM, 0) or return ended($one, 'broken');
    $one->{socket} = $socket;
    fcntl($socket, F_SETFL, fcntl($socket, F_GETFL, 0) | O_NONBLOCK);
    connect($socket, $target) or $! == EINPROGRESS or return ended($one, why($! + 0));
    $flying{ fileno $socket } = $one;
}

sub advance {    # returns the outcome when the request has ended
    my ($one) = @_;
    if (!$one->{sent}) {
        my $error = unpack 'i', getsockopt($one->{socket}, SOL_SOCKET, SO_ERROR);
        return why($error) if $error;
        my $sent = syswrite $one->{socket}, $request;    # smaller than any send buffer
        return why($! + 0) if !defined $sent;
        $one->{sent} = 1;
        return;
    }
    my $read = sysread $one->{socket}, $one->{answer}, 65536, length $one->{answer};
    return $! == EAGAIN || $! == EINTR ? () : 'broken' if !defined $read;
    return 'answered' if $read == 0 or length $one->{answer} > 1_000_000;
    return;
}

my $begin = clock(1);
my ($launched, $slot, $told, $stopped) = (0, 0, -1, 0);
while (1) {
    my $now = clock(1);
    if ($now - $told >= $beat) {
        report(sprintf 'C %.6f %.6f %d', $now, clock(0), $launched);
        $told = $now;
    }
    my $open = !$stopped && (!$wanted or $launched < $wanted) && $now - $begin < $life;
    if ($open and $now >= $begin + $slot * $every) {
        launch($now);
        $launched++;
        $slot = 1 + int(($now - $begin) / $every + 1e-6);    # a slot that was missed is skipped: no bursts
    }
    last if !$open and !%flying;

    my ($reading, $writing) = ('', '');
    my $next = $open ? $begin + $slot * $every : $now + $timeout;
    $next = $told + $beat if $told + $beat < $next;
    for my $number (keys %flying) {
        my $one = $flying{$number};
        vec($one->{sent} ? $reading : $writing, $number, 1) = 1;
        $next = $one->{until} if $one->{until} < $next;
    }
    vec($reading, 0, 1) = 1 if !$wanted and !$stopped;    # its input ends when no further request is wanted
    my $pause = $next - clock(1);
    my $ready = select $reading, $writing, undef, $pause > 0 ? $pause : 0;
    $reading = $writing = '' if $ready < 0;

    $now = clock(1);
    my $late = $now - $next;
    if ($late > 2 * $beat) { $_->{until} += $late for values %flying }    # it stood still: not the server's fault
    if (!$wanted and !$stopped and vec($reading, 0, 1)) {
        my $said = sysread STDIN, my $ignored, 4096;
        $stopped = 1 if !$said;
    }
    for my $number (keys %flying) {
        my $one = $flying{$number};
        my $outcome = vec($one->{sent} ? $reading : $writing, $number, 1) ? advance($one) : undef;
        $outcome //= 'timeout' if $now >= $one->{until};
        next if !defined $outcome;
        delete $flying{$number};
        ended($one, $outcome);
    }
}
report("E $launched");
