"""Mail::SPF (libmail-spf-perl) from Debian, with records from a zone instead of the DNS."""

import subprocess
from collections.abc import Mapping

import dns.zone

_CHECK = """
use strict; use warnings; use Net::DNS; use Mail::SPF;
package Zone;
sub new { bless { records => $_[1] }, $_[0] }
sub errorstring { 'NOERROR' }
sub send {
  my ($self, $name, $type) = @_;
  my $packet = Net::DNS::Packet->new($name, $type);
  my @found = grep { lc($_->name) eq lc($name) } @{$self->{records}};
  $packet->header->rcode(@found ? 'NOERROR' : 'NXDOMAIN');
  $packet->push(answer => grep { $_->type eq $type } @found);
  return $packet;
}
package main;
my ($scope, $identity, $ip, $helo) = splice @ARGV, 0, 4;
my @records = map { chomp; Net::DNS::RR->new($_) } <STDIN>;
my $server = Mail::SPF::Server->new(dns_resolver => Zone->new(\\@records));
my $request = Mail::SPF::Request->new(
  scope => $scope, identity => $identity, ip_address => $ip, helo_identity => $helo);
print $server->process($request)->code;
"""


def verdict(zone: str, path: str, client: str, helo: str) -> str:
    """What it says of `client` that sends as `path`, by the records in `zone` (RFC 1035 §5)."""
    return _run(zone, {"scope": "mfrom", "identity": path, "ip": client, "helo": helo})


def verdict_of_helo(zone: str, client: str, helo: str) -> str:
    """What it says of the name that `client` calls itself."""
    return _run(zone, {"scope": "helo", "identity": helo, "ip": client, "helo": helo})


def _run(zone: str, request: Mapping[str, str]) -> str:
    parsed = dns.zone.from_text(zone, origin=".", relativize=False, check_origin=False)
    records = [
        f"{name} {ttl} IN {dns.rdatatype.to_text(data.rdtype)} {data.to_text()}\n"
        for name, ttl, data in parsed.iterate_rdatas()
    ]
    command = ["perl", "-e", _CHECK, *request.values()]
    done = subprocess.run(
        command, input="".join(records), capture_output=True, text=True, check=True
    )
    return done.stdout
