# Samples a service at a fixed pace, in one process, with several requests in flight, and says what came of each.
# Arguments: kind, address or name, port, what the kind asks, seconds between requests (0: as fast as it can, with at most
# 16 in flight), time-out, requests (0: until its input ends), seconds to live, texts to look for in each answer. Kinds,
# and what they ask:
#   http   Host header and path: a page, over HTTP/1.0 (RFC 1945)
#   put    Host header and path: writes a numbered file there (RFC 9110), its number in path and text
#   read   Host header and path: reads such a file, number by number
#   delete Host header and path: removes such a file, number by number
#   tcp    nothing: a connection, and with texts to look for what the server says first
#   https  a word that curl's findings stand behind, a file of trusted certificates, the name in the server's one, its URL:
#          a page, asked for by one curl(1) for each request, as perl-base has no TLS: slower
#   udp    hexadecimal digits: a datagram of these bytes, and the first one that comes back
#   run    a number of words and the words: a command without a shell, never two at once; asks when it ends with 0
#   dns    a name: its IPv4 addresses, over UDP (RFC 1035)
#   ping   nothing: an ICMP echo (RFC 792), over a socket of icmp(7), or of raw(7) where that is not allowed: as root
# Needs perl-base only (no Time::HiRes there, hence the system call), so that it runs on the leanest Debian.
#
# Lines printed (times in seconds of the monotonic clock, unless said):
#   C MONOTONIC REAL BEGUN         its heartbeat: both clocks at one moment, and how many requests it has begun
#   B ID TEXT                      an answer seen for the first time (its first 200 bytes, unsafe ones as %XX)
#   S START DURATION OUTCOME STATUS MARKS ID   a request that ended; OUTCOME: ok refused timeout broken unreachable
#                                  untrusted failed; STATUS: of a page or of a command that failed, else 0; MARKS: numbers of the texts that its answer contains, or -
#   E BEGUN                        the end: all requests that it has begun have ended
#   X TEXT                         why it cannot start, or go on
use strict;
use warnings;
use Errno qw(EINPROGRESS ECONNREFUSED EHOSTUNREACH ENETUNREACH EINTR EAGAIN);
use Fcntl qw(F_GETFL F_SETFL O_NONBLOCK);
use Socket qw(AF_INET SOCK_STREAM SOCK_DGRAM SOCK_RAW SOL_SOCKET SO_ERROR inet_aton inet_ntoa pack_sockaddr_in);

my ($kind, $address, $port) = splice @ARGV, 0, 3;
my %method = (http => 'GET', put => 'PUT', read => 'GET', delete => 'DELETE');
my ($web, $numbered) = ($method{$kind}, $kind ne 'http' && $method{$kind});
my %words = (https => 4, dns => 1, udp => 1);
my @asked = splice @ARGV, 0, $web ? 2 : $kind eq 'run' ? shift @ARGV : $words{$kind} // 0;
my ($every, $timeout, $wanted, $life, @marks) = @ARGV;
my $beat = 0.25;    # seconds; a gap of four means that it stood still
my $together = 0.05;    # seconds; lines of a fast pace are told together, as each write costs a packet of SSH
my $crowd = $kind eq 'run' ? 1 : 16;
my ($said, $told_last) = ('', -1);
$SIG{PIPE} = 'IGNORE';    # a server that hangs up must not end the prober; a listener that has gone does, see flush

sub report { $said .= "$_[0]\n" }

sub flush {    # tell the lines so far
    my $at = 0;
    while ($at < length $said) {
        my $written = syswrite STDOUT, $said, length($said) - $at, $at;
        if (!defined $written) {
            next if $! == EINTR;
            $said = '';
            exit 1;
        }
        $at += $written;
    }
    ($said, $told_last) = ('', $_[0]);
}

my (%pages, %flying, @queue);    # page -> id; file number -> request in flight; requests in the order of their starts
my ($in, $out, $busy) = ('', '', 0);    # file numbers to read from, and to write to; requests under way

$SIG{$_} = sub { exit 1 } for qw(TERM HUP INT);    # no child may outlive it

END {
    local $?;
    kill 'KILL', -$_->{child} for grep { $_->{child} } @queue;
    flush(0) if length $said;
}

sub trouble { report("X $_[0]"); exit 1 }

my $found = inet_aton($address);
trouble("the name $address does not resolve") if !defined $found;
my $target = pack_sockaddr_in($port, $found);
my ($type, $protocol) = $kind eq 'dns' || $kind eq 'udp' ? (SOCK_DGRAM, 0) : $kind eq 'ping' ? (SOCK_DGRAM, 1) : (SOCK_STREAM, 0);
my @program = $kind eq 'run' ? @asked : ();
if ($kind eq 'https') {
    my ($word, $trusted, $name, $url) = @asked;
    trouble("$trusted cannot be read") if !-f -r $trusted;
    @program = ('curl', '-q', '--silent', '--include', '--globoff', '--http1.1', '--noproxy', '*', '--user-agent', 'vboxlab');
    push @program, '--cacert', $trusted, '--capath', '/dev/null';    # else those of the system are trusted too
    push @program, '--resolve', "$name:$port:" . inet_ntoa($found), '--max-time', $timeout + 60;
    push @program, '--write-out', "$word %{http_code}\n%{certs}", $url;
}
if (@program) {
    my @there = $program[0] =~ m{/} ? $program[0] : map { "$_/$program[0]" } split /:/, $ENV{PATH};
    trouble("there is no program $program[0]") if !grep { -f && -x _ } @there;
}
my $number = 0;
if ($kind eq 'ping' and !socket my $allowed, AF_INET, $type, $protocol) { $type = SOCK_RAW }
if (!socket my $trial, AF_INET, $type, $protocol) {    # else each request would look like one that failed
    trouble("no socket for $kind: $!");
}

my $page = '';    # what asks for a page, always the same

sub request {    # what a request sends
    return $page if length $page;
    return pack 'H*', $asked[0] if $kind eq 'udp';
    $number++ if $numbered;
    if ($web) {
        my $path = $numbered ? "$asked[1]$number" : $asked[1];
        my @lines = ("$web $path HTTP/1.0", "Host: $asked[0]", 'User-Agent: vboxlab', 'Connection: close');
        my $body = $kind eq 'put' ? "$number\n" : '';
        push @lines, 'Content-Length: ' . length $body if $body;
        my $whole = join "\r\n", @lines, '', $body;
        $page = $whole if !$numbered;
        return $whole;
    }
    $number = ($number + 1) % 65536;
    my $name = join '', map { pack 'C/a', $_ } split(/\./, $asked[0] // ''), '';
    return pack('n6', $number, 0x0100, 1, 0, 0, 0) . $name . pack('n2', 1, 1) if $kind eq 'dns';
    my ($sum, @words) = (0, $$ & 0xffff, $number);
    my $packet = sub { pack 'C2 n3 a*', 8, 0, $_[0], @words, 'vboxlab' x 8 };
    $sum = unpack '%32n*', $packet->(0);
    $sum = ($sum & 0xffff) + ($sum >> 16) for 1 .. 2;
    return $packet->(~$sum & 0xffff);    # a socket of icmp(7) puts its own identifier and checksum in
}

sub echo {    # of a packet: the answer to a request of ours in it
    my ($packet, $one) = @_;
    $packet = substr $packet, 4 * (ord($packet) & 15) if $type == SOCK_RAW;    # the IP header comes with it
    return if length $packet < 8;
    my ($kind, undef, undef, $identifier, $answered) = unpack 'C2 n3', $packet;
    return if $kind != 0 or $answered != $one->{number} or $type == SOCK_RAW && $identifier != ($$ & 0xffff);
    return $packet;
}

sub understood {    # of an answer: outcome, status and text
    my ($answer, $one) = @_;
    return ('ok', 0, $answer) if $kind eq 'tcp' or $kind eq 'udp';
    return $one->{code} ? ('failed', $one->{code}, $answer) : ('ok', 0, $answer) if $kind eq 'run';
    return certified($answer) if $kind eq 'https';
    return ('ok', 0, $address) if $kind eq 'ping';
    return named($answer) if $kind eq 'dns';
    my ($head, $body) = split /\r?\n\r?\n/, $answer, 2;
    my ($length) = ($head // '') =~ /^Content-Length:\s*(\d+)/mi;
    return ('ok', $1, $numbered ? "#$one->{number}" : $body)
        if defined $body and (!defined $length or length $body >= $length) and $head =~ m{^HTTP/\d\S* (\d{3})};
    return ('broken', 0, '');
}

sub certified {    # of what curl printed: its findings come last, behind a word that no server knows
    my ($answer) = @_;
    my $at = rindex $answer, $asked[0];
    my ($status, $certificate) = substr($answer, $at) =~ /^\S+ (\d+)\n(.*?)(?:-----BEGIN|\z)/s;
    return ('broken', 0, '') if $at < 0 or !$status;
    my @said = grep { /^(?:Subject|X509v3 Subject Alternative Name):/ } split /\n/, $certificate;
    s/ = /=/g for @said;    # OpenSSL 3 writes blanks there, others none
    return ('ok', $status, join "\n", @said, substr $answer, 0, $at);
}

sub named {    # of a DNS answer: the addresses in it
    my ($answer) = @_;
    return ('broken', 0, '') if length $answer < 12;
    my (undef, $flags, $questions, $answers) = unpack 'n4', $answer;
    my $code = $flags & 15;
    return ('refused', 0, '') if $code == 5;
    my ($place, @found) = (12);
    my $skip = sub {
        while ($place < length $answer) {
            my $length = unpack 'C', substr $answer, $place++, 1;
            return if !$length;
            if ($length >= 192) { $place++; return }
            $place += $length;
        }
    };
    for (1 .. $questions) { $skip->(); $place += 4 }
    for (1 .. $answers) {
        $skip->();
        last if $place + 10 > length $answer;
        my ($kind, undef, undef, $size) = unpack 'n2 N n', substr $answer, $place, 10;
        push @found, inet_ntoa(substr $answer, $place + 10, 4) if $kind == 1 and $size == 4;
        $place += 10 + $size;
    }
    return ($code == 0 && @found ? 'ok' : 'broken', 0, join ' ', @found);
}

sub ended {
    my ($one, $outcome) = @_;
    my ($status, $id, $held, $text) = (0, 0, '-', '');
    ($outcome, $status, $text) = understood($one->{answer}, $one) if $outcome eq 'answered';
    if ($outcome eq 'ok' or $outcome eq 'failed') {
        my $whole = $web ? $one->{answer} : $text;
        my @held = grep { index($whole, $marks[$_]) >= 0 } 0 .. $#marks;
        $held = join ',', @held if @held and $outcome eq 'ok';
        my $shown = $text;
        $shown =~ s{^HTTP/.*?\r?\n\r?\n}{}ms if $kind eq 'https';    # shown are certificate and page
        $shown = substr $shown, 0, 200;
        $shown =~ s/([^!-\$&-~])/sprintf '%%%02X', ord $1/ge;
        if (!exists $pages{$shown}) {
            $pages{$shown} = 1 + keys %pages;
            report("B $pages{$shown} $shown");
        }
        $id = $pages{$shown};
    }
    my $took = clock(1) - $one->{start};
    close $one->{socket} if $one->{socket};
    delete $one->{quiet};
    if (my $child = delete $one->{child}) {
        kill 'KILL', -$child or trouble("$program[0] cannot be ended: $!");    # of another user, say
        waitpid $child, 0;
    }
    $one->{is_over} = 1;
    $busy--;
    report(sprintf 'S %.6f %.6f %s %d %s %d', $one->{start}, $took, $outcome, $status, $held, $id);
}

sub why { $_[0] == ECONNREFUSED ? 'refused' : $_[0] == EHOSTUNREACH || $_[0] == ENETUNREACH ? 'unreachable' : 'broken' }

sub launch {
    my ($now) = @_;
    my $one = { start => $now, until => $now + $timeout, sent => 0, answer => '' };
    push @queue, $one;
    $busy++;
    @program ? started($one) : called($one);
}

sub started {    # a child asks, in a process group of its own so that it can be killed with all its children
    my ($one) = @_;
    pipe(my $said, my $saying) && pipe(my $vain, my $why) or trouble("no pipe: $!");
    my $child = fork // trouble("no process: $!");
    if (!$child) {
        setpgrp 0, 0;
        $SIG{$_} = 'DEFAULT' for qw(PIPE TERM HUP INT);
        syscall($control, 1, 9, 0, 0, 0) if defined $control;    # PR_SET_PDEATHSIG: not even SIGKILL leaves it behind
        open STDIN, '<', '/dev/null';
        open STDERR, '>', '/dev/null';
        open STDOUT, '>&', $saying;
        { no warnings 'exec'; exec { $program[0] } @program }
        syswrite $why, "$!";
        kill 'KILL', $$;    # not exit, which would tell what the prober has not told yet
    }
    close $saying;
    close $why;
    $one->{child} = $child;
    sysread $vain, my $reason, 200;    # closed by exec
    trouble("$program[0] cannot be run: $reason") if length($reason // '');
    fcntl($said, F_SETFL, fcntl($said, F_GETFL, 0) | O_NONBLOCK);
    ($one->{socket}, $one->{sent}) = ($said, 1);
    fly($one, $said, \$in);
}

sub reaped {    # returns the outcome when a child that says nothing more has ended
    my ($one) = @_;
    return if !waitpid $one->{child}, 1;    # WNOHANG
    my $code = $one->{code} = $? & 127 ? 128 + ($? & 127) : $? >> 8;
    delete @$one{qw(child quiet)};
    return 'answered' if $kind eq 'run' or $code == 0;
    return 'timeout' if $code == 28;    # curl(1), EXIT CODES
    return 'untrusted' if $code == 60 or $code == 51;
    trouble("$program[0] ended with $code") if $code >= 126 or grep { $code == $_ } 1 .. 4, 23, 26, 27, 41, 43, 48, 53, 54, 77;
    return 'broken' if $code != 7;
    $one->{sent} = 0;    # not connected: a connection of our own tells why
    called($one);
    return;
}

sub called {
    my ($one) = @_;
    socket(my $socket, AF_INET, $type, $protocol) or return ended($one, 'broken');
    $one->{socket} = $socket;
    fcntl($socket, F_SETFL, fcntl($socket, F_GETFL, 0) | O_NONBLOCK);
    connect($socket, $target) or $! == EINPROGRESS or return ended($one, why($! + 0));
    fly($one, $socket, \$out);
}

sub fly {    # wait for a file of a request
    my ($one, $file, $waited) = @_;
    $flying{ fileno $file } = $one;
    vec($$waited, fileno $file, 1) = 1;
}

sub ground {
    my ($file) = @_;
    delete $flying{ fileno $file };
    vec($in, fileno $file, 1) = vec($out, fileno $file, 1) = 0;
}

sub advance {    # returns the outcome when the request has ended
    my ($one) = @_;
    if (!$one->{sent}) {
        my $error = unpack 'i', getsockopt($one->{socket}, SOL_SOCKET, SO_ERROR);
        return why($error) if $error;
        return 'broken' if $kind eq 'https';
        $one->{sent} = 1;
        return @marks && grep({ length } @marks) ? () : 'answered' if $kind eq 'tcp';
        my $sent = syswrite $one->{socket}, request();    # smaller than any send buffer
        return why($! + 0) if !defined $sent;
        $one->{number} = $number;
        return;
    }
    my $read = sysread $one->{socket}, $one->{answer}, 65536, length $one->{answer};
    return $! == EAGAIN || $! == EINTR ? () : why($! + 0) if !defined $read;
    if ($one->{child}) {
        return length $one->{answer} > 1_000_000 ? 'broken' : () if $read;
        ground($one->{socket});
        close delete $one->{socket};
        $one->{quiet} = 1;
        return reaped($one);
    }
    return 'broken' if $read == 0 and !$web and $kind ne 'udp';
    if ($kind eq 'ping' and !defined echo($one->{answer}, $one)) { $one->{answer} = ''; return }
    return 'answered' if $read == 0 or !$web or length $one->{answer} > 1_000_000;
    return;
}

sub land {    # a request has ended
    my ($one, $outcome) = @_;
    ground($one->{socket}) if $one->{socket};
    ended($one, $outcome);
}

sub raised {    # the numbers of the bits that are set
    my $bits = unpack 'b*', $_[0];
    my ($at, @found) = (-1);
    push @found, $at while ($at = index $bits, '1', $at + 1) >= 0;
    return @found;
}

my $begin = clock(1);
my ($launched, $slot, $told, $stopped, $last) = (0, 0, -1, 0, -1e9);

sub due {    # when the next request is; a command waits for the last one, however long that takes
    return $begin + $slot * $every if $every and $kind ne 'run';
    return $busy >= $crowd ? $told + $beat : $every ? $last + $every : $_[0];
}

vec($in, 0, 1) = 1 if !$wanted;    # its input ends when no further request is wanted
while (1) {
    my $now = clock(1);
    if ($now - $told >= $beat) {
        report(sprintf 'C %.6f %.6f %d', $now, clock(0), $launched);
        $told = $now;
        $told_last = -1;    # told at once: the clocks are compared by its arrival
    }
    my $open = !$stopped && (!$wanted or $launched < $wanted) && $now - $begin < $life;
    if ($open and $now >= due($now)) {
        launch($now);
        $last = $now;
        $launched++;
        $slot = 1 + int(($now - $begin) / $every + 1e-6) if $every;    # a slot that was missed is skipped: no bursts
        $open = 0 if $launched == $wanted;
    }
    shift @queue while @queue and $queue[0]{is_over};
    last if !$open and !@queue;

    my $next = $told + $beat;
    $next = due($now) if $open and due($now) < $next;
    $next = $queue[0]{until} if @queue and $queue[0]{until} < $next;    # all wait equally long
    if (length $said) {
        if ($now - $told_last >= $together) { flush($now) }
        elsif ($told_last + $together < $next) { $next = $told_last + $together }
    }
    $next = $now + 0.005 if @program and grep { $_->{quiet} } @queue;    # nothing tells that a child has ended
    my $pause = $next - clock(1);
    my $ready = select my $readable = $in, my $writable = $out, undef, $pause > 0 ? $pause : 0;

    $now = clock(1);
    my $late = $now - $next;
    if ($late > 2 * $beat) { $_->{until} += $late for @queue }    # it stood still: not the server's fault
    if ($ready > 0) {
        for my $file (raised($readable | $writable)) {
            if ($file == 0) {
                my $read = sysread STDIN, my $ignored, 4096;
                if (!$read) { $stopped = 1; vec($in, 0, 1) = 0 }
                next;
            }
            my $one = $flying{$file} or next;
            my $outcome = advance($one);
            if (defined $outcome) { land($one, $outcome) }
            elsif ($one->{sent} and !@program) { vec($out, $file, 1) = 0; vec($in, $file, 1) = 1 }
        }
    }
    for my $one (@program ? grep { $_->{quiet} } @queue : ()) {
        my $outcome = reaped($one);
        land($one, $outcome) if defined $outcome;
    }
    for my $one (@queue) {
        last if $one->{until} > $now;
        land($one, 'timeout') if !$one->{is_over};
    }
}
report("E $launched");
