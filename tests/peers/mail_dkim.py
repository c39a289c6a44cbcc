"""Mail::DKIM (libmail-dkim-perl) from Debian, with keys from a file instead of the DNS.

The file has a line for each key: its name, a blank, its record.
"""

import subprocess
from pathlib import Path

_ZONE = """
use strict; use warnings; use Net::DNS; use Mail::DKIM::DNS;
package Zone;
sub new { bless { records => $_[1] }, $_[0] }
sub errorstring { 'NXDOMAIN' }
sub send {
  my ($self, $name, $type) = @_;
  my $packet = Net::DNS::Packet->new($name, $type);
  my $text = $self->{records}{lc $name};
  $packet->header->rcode($text ? 'NOERROR' : 'NXDOMAIN');
  my @data = defined $text ? ($text =~ /(.{1,255})/g) : ();
  $packet->push(answer => Net::DNS::RR->new(name => $name, type => 'TXT', txtdata => \\@data))
    if @data;
  return $packet;
}
package main;
my %records;
open(my $file, '<', shift @ARGV) or die $!;
while (<$file>) { chomp; my ($name, $text) = split / /, $_, 2; $records{$name} = $text }
Mail::DKIM::DNS::resolver(Zone->new(\\%records));
binmode STDIN; my $message = do { local $/; <STDIN> };
"""
_VERIFY = """
use Mail::DKIM::Verifier; use Mail::DKIM::ARC::Verifier;
for my $one (Mail::DKIM::Verifier->new, Mail::DKIM::ARC::Verifier->new) {
  $one->PRINT($message); $one->CLOSE; print $one->result, "\\n";
}
"""
_SEAL = """
use Mail::DKIM::ARC::Signer;
my ($domain, $selector, $key) = @ARGV;
my $one = Mail::DKIM::ARC::Signer->new(Algorithm => 'rsa-sha256', Chain => 'ar',
  Domain => $domain, SrvId => $domain, Selector => $selector, KeyFile => $key, Headers => 'x');
$one->PRINT($message); $one->CLOSE;
die $one->{details} unless $one->result eq 'sealed';
print join("\\r\\n", $one->as_strings), "\\r\\n", $message;
"""
_SIGN = """
use Mail::DKIM::Signer;
my ($method, $domain, $selector, $key) = @ARGV;
my $one = Mail::DKIM::Signer->new(Algorithm => 'rsa-sha256', Method => $method,
  Domain => $domain, Selector => $selector, KeyFile => $key);
$one->PRINT($message); $one->CLOSE; print $one->signature->as_string, "\\r\\n", $message;
"""


def verdicts(keys: Path, message: bytes) -> tuple[str, str]:
    """What it says of the best DKIM signature and of the ARC chain."""
    dkim, arc = _run(_VERIFY, message, keys).decode().split()
    return dkim, arc


def sealed(keys: Path, message: bytes, *how: str) -> bytes:
    """With one more ARC set; `how` is the domain, the selector and the file of the key."""
    return _run(_SEAL, message, keys, *how)


def signed(keys: Path, message: bytes, *how: str) -> bytes:
    """With a DKIM signature; `how` begins with the canonicalisation."""
    return _run(_SIGN, message, keys, *how)


def _run(program: str, message: bytes, *arguments: str | Path) -> bytes:
    command = ["perl", "-e", _ZONE + program, *map(str, arguments)]
    return subprocess.run(command, input=message, stdout=subprocess.PIPE, check=True).stdout
