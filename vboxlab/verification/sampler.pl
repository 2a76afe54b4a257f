# Looks at a machine, or into its network, at a fixed pace, in one process, and says what it sees.
# Arguments: what it looks at, seconds between looks, and
#   address  the address: whether this machine has it, from the kernel's table of routes (fib_trie, proc(5))
#   command  a text and the words of a command: whether its output has the text, as words of its own
#   arp      the address: who answers for it (RFC 826); as root, by packet(7)
# It ends with its input. Needs perl-base only, and starts no process but the command.
#
# Lines printed (times in seconds of the monotonic clock):
#   M CARD...          its own hardware addresses
#   H MONOTONIC 0|1|?  it has it or not, or cannot tell: at each change, and each quarter of a second
#   A ASKED TOLD CARD...  whoever answered the question of the first moment, as it is said at the second
#   X TEXT             why it cannot start
use strict;
use warnings;
use Socket qw(AF_INET SOCK_DGRAM inet_aton pack_sockaddr_in unpack_sockaddr_in);

my ($what, $every) = splice @ARGV, 0, 2;
my $beat = 0.25;
$| = 1;
$SIG{PIPE} = 'IGNORE';

sub report { print join(' ', @_), "\n" or exit 1 }
sub content { open my $file, '<', $_[0] or return; local $/; return scalar <$file> }
sub card { lc(content($_[0]) // '') =~ /^([0-9a-f:]{17})/ ? $1 : () }

sub holds {
    if ($what eq 'address') {
        my $table = content('/proc/net/fib_trie');
        return '?' if !defined $table;
        return $table =~ /\|-- \Q$ARGV[0]\E\n\s+\/32 host LOCAL/ ? 1 : 0;
    }
    open my $said, '-|', @ARGV[1 .. $#ARGV] or return '?';
    my $text = do { local $/; <$said> } // '';
    return '?' if !close $said and $text !~ /\S/;    # is-active of systemctl(1) and its like end with a code and a word
    return $text =~ /(?<!\w)\Q$ARGV[0]\E(?!\w)/ ? 1 : 0;
}

sub ended {    # waits until a moment for its input to end, or for an answer to be read
    my ($until, $socket) = @_;
    my $reading = '';
    vec($reading, 0, 1) = 1;
    vec($reading, fileno $socket, 1) = 1 if $socket;
    my $pause = $until - clock(1);
    my $ready = select $reading, undef, undef, $pause > 0 ? $pause : 0;
    return (0, 0) if $ready <= 0;
    my $over = vec($reading, 0, 1) && !sysread STDIN, my $ignored, 4096;
    return ($over, $socket && vec($reading, fileno $socket, 1));
}

report('M', map { card($_) } grep { !m{/lo/} } glob '/sys/class/net/*/address');

if ($what ne 'arp') {
    my ($told, $last) = (-1, '');
    while (1) {
        my $now = clock(1);
        my $holds = holds();
        if ($holds ne $last or $now - $told >= $beat) {
            report('H', sprintf('%.6f', $now), $holds);
            ($told, $last) = ($now, $holds);
        }
        (my $over) = ended($now + $every);
        exit if $over;
    }
}

my $wanted = inet_aton($ARGV[0]);
my ($trial, $socket);
socket($trial, AF_INET, SOCK_DGRAM, 0) && connect($trial, pack_sockaddr_in(9, $wanted))    # sends nothing
    or do { report("X there is no way to $ARGV[0]: $!"); exit 1 };
my (undef, $own) = unpack_sockaddr_in(getsockname $trial);
my ($interface) = map { $_->[0] } sort { $b->[1] <=> $a->[1] } grep { defined } map {    # the closest network
    my ($name, $network, $gateway, undef, undef, undef, undef, $mask) = split;
    my ($net, $bits) = map { unpack 'N', pack 'L', hex } $network, $mask;
    $gateway =~ /^0+$/ && (unpack('N', $wanted) & $bits) == $net ? [$name, $bits] : undef
} grep { /^\S+\t[0-9A-F]{8}\t/ } split /\n/, content('/proc/net/route') // '';
if (!defined $interface) { report("X $ARGV[0] is in no network of this machine"); exit 1 }
my ($mine) = card("/sys/class/net/$interface/address");
my $index = content("/sys/class/net/$interface/ifindex") + 0;
my $address = sub { pack 'S n i S C C a8', 17, 0x0806, $index, 1, 0, 6, $_[0] };    # sockaddr_ll of packet(7)
socket($socket, 17, SOCK_DGRAM, unpack 'S', pack 'n', 0x0806) && bind($socket, $address->("\0" x 8))
    or do { report("X no packet socket: $!"); exit 1 };
my $raw = pack 'H12', $mine =~ s/://gr;
my $question = pack 'n n C C n a6 a4 a6 a4', 1, 0x0800, 6, 4, 1, $raw, $own, "\0" x 6, $wanted;
while (1) {
    my ($asked, %answered) = clock(1);
    my $sent = send $socket, $question, 0, $address->("\xff" x 6);
    my $over = 0;
    while (!$over and (my $left = $asked + $every - clock(1)) > 0) {
        ($over, my $ready) = ended($asked + $every, $socket);
        next if !$ready or !defined recv $socket, my $packet, 2048, 0;
        next if length $packet < 28;
        my ($operation, $card, $for) = unpack 'x6 n a6 a4', $packet;
        $answered{ join ':', unpack '(H2)6', $card } = 1 if $operation == 2 and $for eq $wanted;
    }
    exit if $over;
    report('A', sprintf('%.6f %.6f', $asked, clock(1)), sort keys %answered) if $sent;
}
