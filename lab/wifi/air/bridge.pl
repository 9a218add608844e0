# Action frames of Easy Connect between a monitor interface and standard input and output: bridge.pl INTERFACE MAC.
# Each record: two octets of length (of what follows), six of the other station's address, the frame from its action octet on.
# Perl, since Node opens no packet sockets, and every Debian has it.
use strict;
use warnings;
use Socket qw(SOCK_RAW);

my ($interface, $mac) = @ARGV;
my $own = pack 'H12', $mac =~ s/://gr;
open my $file, '<', "/sys/class/net/$interface/ifindex" or die "$interface: $!";
my $index = <$file> + 0;
# AF_PACKET, all protocols
socket my $air, 17, SOCK_RAW, 0x0300 or die "packet socket: $!";
bind $air, pack 'S S i S C C a8', 17, 0x0300, $index, 0, 0, 0, '' or die "bind: $!";
binmode STDIN;
binmode STDOUT;
$| = 1;
my $pending = '';
my $sequence = 0;
while (1) {
    my $wanted = '';
    vec($wanted, fileno($_), 1) = 1 for \*STDIN, $air;
    select $wanted, undef, undef, undef;
    if (vec $wanted, fileno($air), 1) {
        defined recv $air, my $captured, 4096, 0 or next;
        next if length $captured < 4;
        my $frame = substr $captured, unpack 'x2 v', $captured;
        # Action frames to us or to all, category Public, of DPP or of GAS
        next if length $frame < 26 or ord $frame != 0xd0;
        my ($to, $from) = (substr($frame, 4, 6), substr $frame, 10, 6);
        next if $from eq $own or ($to ne $own and $to ne "\xff" x 6);
        my ($category, $action) = unpack 'x24 C C', $frame;
        next if $category != 4 or $action < 9 or $action > 13;
        my $record = $from . substr $frame, 25;
        syswrite STDOUT, pack('n', length $record) . $record;
    }
    if (vec $wanted, fileno(STDIN), 1) {
        sysread STDIN, $pending, 65536, length $pending or exit 0;
        while (length $pending >= 2 and length $pending >= 2 + unpack 'n', $pending) {
            my $record = substr $pending, 2, unpack 'n', $pending;
            $pending = substr $pending, 2 + length $record;
            my $to = substr $record, 0, 6;
            # An empty radiotap header; address 3 is the wildcard BSSID, as peers have it
            my $frame = pack('C C v V', 0, 0, 8, 0) . "\xd0\x00\x00\x00" . $to . $own . "\xff" x 6
                . pack('v', ($sequence++ & 0xfff) << 4) . "\x04" . substr $record, 6;
            send $air, $frame, 0 or warn "send: $!";
        }
    }
}
