"""Every key of mailraven.toml: its type, default, unit and one line of help.

This file is the only list of keys. `config/load.py` reads by it, `etc/mailraven.toml` is printed
from it, and a test holds mailraven.toml(5) against it. Values are immutable: a reload makes a new
Config.
"""

from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Annotated

from msgspec import Meta, Struct

from mailraven.config.kinds import (
    Addresses,
    Count,
    Dnssec,
    Duration,
    Endpoint,
    Families,
    FilePath,
    Flag,
    HeloNames,
    Host,
    Listen,
    LogFormat,
    LogLevel,
    Milters,
    Networks,
    OptionalPath,
    Port,
    QuarantineName,
    Rates,
    Routes,
    Score,
    Secret,
    Size,
    Smarthosts,
    Suppression,
    Text,
    Texts,
    TlsDemand,
    TlsDemands,
    Zones,
)
from mailraven.config.rates import Rate

MINUTE, HOUR, DAY = 60, 3600, 86400  # seconds
LOOPBACK = (IPv4Network("127.0.0.0/8"), IPv6Network("::1/128"))
UNSET_PATH = Path()  # stands for "derived from other keys"; load() replaces it


def _help(text: str, sample: str = "") -> Meta:
    """`sample` stands for the default where that follows from other keys or the machine."""
    return Meta(description=text, extra={"sample": sample})


class Paths(Struct, frozen=True, kw_only=True):
    """Where things are on disk."""

    data: Annotated[FilePath, _help("Domains, mail, spool and certificates.")] = Path(
        "/var/lib/mailraven"
    )
    run: Annotated[FilePath, _help("Control sockets of the daemons.")] = Path("/run/mailraven")
    cache: Annotated[FilePath, _help("What may be deleted at any time.")] = Path(
        "/var/cache/mailraven"
    )

    @property
    def domains(self) -> Path:
        return self.data / "domains"

    @property
    def mail(self) -> Path:
        return self.data / "mail"

    @property
    def spool(self) -> Path:
        return self.data / "spool"

    @property
    def srs_secrets(self) -> Path:
        return self.spool / "srs-secrets"

    @property
    def dmarc_reports(self) -> Path:
        return self.data / "reports" / "dmarc"

    @property
    def tls_reports(self) -> Path:
        return self.data / "reports" / "tls"

    @property
    def returned(self) -> Path:
        return self.data / "reports" / "returned"

    @property
    def verdicts(self) -> Path:
        return self.data / "verdicts"

    @property
    def traces(self) -> Path:
        return self.data / "traces"

    @property
    def sts_policies(self) -> Path:
        return self.data / "mta-sts"

    @property
    def tls(self) -> Path:
        return self.data / "tls"


class Smtp(Struct, frozen=True, kw_only=True):
    """Mail in: other servers, submission by clients, LMTP."""

    listen: Annotated[Listen, _help("Mail from other servers; [] is none.")] = (
        "0.0.0.0:25",
        "[::]:25",
    )
    submission: Annotated[Listen, _help("Mail from clients, STARTTLS (RFC 6409).")] = (
        "0.0.0.0:587",
        "[::]:587",
    )
    submissions: Annotated[Listen, _help("Mail from clients, TLS at once (RFC 8314).")] = (
        "0.0.0.0:465",
        "[::]:465",
    )
    lmtp: Annotated[
        FilePath, _help("LMTP socket for local delivery, in paths.run.", "/run/mailraven/lmtp.sock")
    ] = UNSET_PATH
    workers: Annotated[Count, _help("Processes that share the ports.")] = 2
    message_size: Annotated[Size, _help("Largest message taken.")] = 50 << 20
    recipients: Annotated[Count, _help("Most recipients of one message.")] = 1000
    plaintext_auth: Annotated[Flag, _help("Passwords without TLS; only for tests.")] = False
    proxy_from: Annotated[Networks, _help("Load balancers that speak the PROXY protocol.")] = ()
    command_timeout: Annotated[Duration, _help("Silence that ends a connection.")] = 300
    max_connections: Annotated[Count, _help("Open connections per worker.")] = 1000


class Imap(Struct, frozen=True, kw_only=True):
    """Mail read by clients."""

    listen: Annotated[Listen, _help("IMAP with STARTTLS; [] is none.")] = (
        "0.0.0.0:143",
        "[::]:143",
    )
    listen_tls: Annotated[Listen, _help("IMAP, TLS at once (RFC 8314).")] = (
        "0.0.0.0:993",
        "[::]:993",
    )
    workers: Annotated[Count, _help("Processes that share the ports.")] = 2
    plaintext_auth: Annotated[Flag, _help("Passwords without TLS; only for tests.")] = False
    idle_timeout: Annotated[Duration, _help("Silence that ends a session, 30m or more.")] = 1800
    max_literal: Annotated[Size, _help("Largest message taken by APPEND.")] = 50 << 20
    max_connections: Annotated[Count, _help("Open connections per worker.")] = 5000
    search_index: Annotated[
        Size, _help("Full-text index for SEARCH, most octets per mailbox; 0 is none.")
    ] = 1 << 30


class Http(Struct, frozen=True, kw_only=True):
    """Ports of the JSON API and admin page."""

    listen: Annotated[Listen, _help("HTTP: ACME, redirects, MTA-STS; [] is none.")] = (
        "0.0.0.0:80",
        "[::]:80",
    )
    listen_tls: Annotated[Listen, _help("HTTPS: API and admin page.")] = (
        "0.0.0.0:443",
        "[::]:443",
    )


class Queue(Struct, frozen=True, kw_only=True):
    """Mail out to other servers."""

    lifetime: Annotated[Duration, _help("Undelivered for so long, it bounces.")] = 5 * 86400
    delay_notice: Annotated[Duration, _help("The sender hears of a delay; 0 is never.")] = 4 * 3600
    first_retry: Annotated[Duration, _help("First wait after a failure; later ones grow.")] = 60
    smarthost: Annotated[Endpoint, _help("All mail out goes through it; empty is by MX.")] = ""
    smarthost_user: Annotated[Text, _help("Account at the smarthost; empty is no AUTH.")] = ""
    smarthost_password: Annotated[Secret, _help("Its password; better in a file.")] = ""
    smarthost_tls: Annotated[TlsDemand, _help("Whether the smarthost must offer TLS.")] = "required"
    smarthosts: Annotated[
        Smarthosts, _help("Smarthosts by name, for domains and accounts: an address or a table.")
    ] = {}
    couriers: Annotated[Count, _help("Processes that deliver.")] = 2
    concurrency: Annotated[Count, _help("Deliveries at once; ten times as many may stall.")] = 50
    destination_concurrency: Annotated[Count, _help("Connections to one host at once.")] = 20
    routes: Annotated[Routes, _help("Fixed next hops by domain; * is any other.")] = {}
    port: Annotated[Port, _help("Port of the hosts that MX records name.")] = 25
    tls: Annotated[TlsDemands, _help("What TLS must be, by domain of the recipient.")] = {}
    policy_port: Annotated[Port, _help("Port of the servers with MTA-STS policies.")] = 443
    source_addresses: Annotated[Addresses, _help("Local addresses to send from; [] is any.")] = ()
    helo_names: Annotated[HeloNames, _help("Our name in EHLO, by local address.")] = {}
    families: Annotated[Families, _help("IPv4 or IPv6, by domain; * is any other.")] = {}
    suppression: Annotated[
        Suppression, _help("For whom a recipient is suppressed who is said not to exist.")
    ] = "account"
    suppression_time: Annotated[Duration, _help("A recipient is suppressed so long.")] = 30 * DAY
    connect_timeout: Annotated[Duration, _help("Longest wait for a connection.")] = 30
    command_timeout: Annotated[Duration, _help("Longest wait for a reply.")] = 300
    dkim_overlap: Annotated[
        Duration, _help("A DKIM key that signs no more stays published so long.")
    ] = 14 * DAY


class Dns(Struct, frozen=True, kw_only=True):
    """Name servers."""

    resolvers: Annotated[Listen, _help("Resolvers to ask; [] is /etc/resolv.conf.")] = ()
    timeout: Annotated[Duration, _help("Longest wait for an answer.")] = 10
    dnssec: Annotated[Dnssec, _help("Whether what they call authentic is; DANE needs it.")] = (
        "detect"
    )


class Tls(Struct, frozen=True, kw_only=True):
    """The server's certificate, and whom it trusts."""

    certificate: Annotated[
        FilePath,
        _help(
            "Certificate chain, PEM; by itself the one for hostname below paths.data.",
            "/var/lib/mailraven/tls/mx.example.org/fullchain.pem",
        ),
    ] = UNSET_PATH
    key: Annotated[
        FilePath,
        _help("Its key, PEM, mode 0600.", "/var/lib/mailraven/tls/mx.example.org/key.pem"),
    ] = UNSET_PATH
    keep_key: Annotated[Flag, _help("Whether a renewed certificate keeps its key.")] = False
    ca: Annotated[OptionalPath, _help("Further authority to trust on the way out.")] = None


class Auth(Struct, frozen=True, kw_only=True):
    """Log-ins and guessing of passwords."""

    cache_time: Annotated[Duration, _help("A right password is remembered so long.")] = 300
    address_failures: Annotated[Count, _help("Failures per address network in the window.")] = 20
    account_failures: Annotated[Count, _help("Failures per account and network.")] = 10
    window: Annotated[Duration, _help("How long a failure counts.")] = 900
    channel_binding: Annotated[
        Flag,
        _help("Offer SCRAM-SHA-256-PLUS; clients that want another binding then fail to log in."),
    ] = False


class Inbound(Struct, frozen=True, kw_only=True):
    """Checks of mail that other servers bring."""

    enabled: Annotated[Flag, _help("Whether such mail is checked at all.")] = True
    exempt: Annotated[Networks, _help("Networks whose mail is not checked.")] = (
        IPv4Network("127.0.0.0/8"),
        IPv6Network("::1/128"),
    )
    timeout: Annotated[Duration, _help("Longest wait for what others know of the sender.")] = 15
    authenticate: Annotated[
        Flag, _help("Whether SPF, DKIM, DMARC, ARC and the name of the client are looked at.")
    ] = True
    trusted_forwarders: Annotated[
        Texts, _help("Domains whose word on mail that they forward is believed (ARC).")
    ] = ()
    greylist: Annotated[
        Flag, _help("Tell unproved senders of doubtful mail to come again, once.")
    ] = False
    greylist_score: Annotated[Score, _help("From this score on mail is doubtful.")] = 3.0
    greylist_time: Annotated[Duration, _help("How long they must wait.")] = 300


class Dnsbl(Struct, frozen=True, kw_only=True):
    """Lists of addresses in the DNS."""

    zones: Annotated[Zones, _help('By zone: "refuse", points, or a table.')] = {}


class Spam(Struct, frozen=True, kw_only=True):
    """What becomes of mail by its spam score."""

    quarantine_score: Annotated[Score, _help("From this score on mail goes to quarantine.")] = 4.5
    reject_score: Annotated[Score, _help("From this score on mail is refused.")] = 12.0
    rules_source: Annotated[Text, _help("Bundle of rules: a path, or an https URL.")] = ""
    rules_keys: Annotated[Texts, _help("Who may sign it: Ed25519 public keys, base64.")] = ()
    quarantine: Annotated[QuarantineName, _help("Where quarantined mail goes.")] = "Junk"
    quarantine_time: Annotated[Duration, _help("It is deleted after so long; 0 is never.")] = (
        30 * 86400
    )
    record_time: Annotated[Duration, _help("Records of verdicts are kept so long.")] = 30 * 86400
    learning: Annotated[Flag, _help("Whether moving mail into and out of Junk teaches.")] = True


class Limits(Struct, frozen=True, kw_only=True):
    """Rate limits: "100/hour" is at most a hundred in any sixty minutes; [] is no limit."""

    enabled: Annotated[Flag, _help("Whether limits hold at all.")] = True
    exempt: Annotated[Networks, _help("Networks whose addresses are not counted.")] = LOOPBACK
    store: Annotated[Text, _help("Valkey or Redis, host:port or socket; empty is limitd.")] = ""
    store_password: Annotated[Secret, _help("Its password; better in a file.")] = ""
    connections: Annotated[Rates, _help("SMTP connections of one address.")] = (
        Rate(120, MINUTE),
        Rate(3000, HOUR),
    )
    network_connections: Annotated[Rates, _help("The same of its /24 or /64.")] = (
        Rate(600, MINUTE),
        Rate(15000, HOUR),
    )
    messages: Annotated[Rates, _help("Messages of one address, not logged in.")] = (
        Rate(300, MINUTE),
        Rate(5000, HOUR),
    )
    network_messages: Annotated[Rates, _help("The same of its /24 or /64.")] = (
        Rate(1500, MINUTE),
        Rate(25000, HOUR),
    )
    recipients: Annotated[Rates, _help("Recipients of one address, not logged in.")] = (
        Rate(10000, HOUR),
        Rate(100000, DAY),
    )
    account_messages: Annotated[Rates, _help("Messages that one account sends.")] = (
        Rate(100, HOUR),
        Rate(1000, DAY),
    )
    account_recipients: Annotated[Rates, _help("Recipients that one account sends to.")] = (
        Rate(1000, HOUR),
        Rate(2000, DAY),
    )
    account_new_recipients: Annotated[Rates, _help("Those it has not written to before.")] = (
        Rate(200, HOUR),
        Rate(500, DAY),
    )
    domain_messages: Annotated[Rates, _help("Messages that all accounts of a domain send.")] = (
        Rate(1000, HOUR),
        Rate(10000, DAY),
    )
    domain_recipients: Annotated[Rates, _help("Recipients that they send to.")] = (
        Rate(20000, DAY),
    )
    logins: Annotated[Rates, _help("Log-ins of one address, right or wrong.")] = (
        Rate(120, MINUTE),
        Rate(3000, HOUR),
    )
    imap_connections: Annotated[Rates, _help("IMAP connections of one address.")] = (
        Rate(240, MINUTE),
        Rate(6000, HOUR),
    )
    api_requests: Annotated[Rates, _help("Requests with one API token.")] = (Rate(1000, HOUR),)
    connection_errors: Annotated[Count, _help("Wrong commands that end a connection.")] = 20
    connection_commands: Annotated[
        Count, _help("Commands without a message that end a connection.")
    ] = 100


class Brake(Struct, frozen=True, kw_only=True):
    """Accounts that suddenly send what they never did: their mail is held until somebody looks."""

    enabled: Annotated[Flag, _help("Whether accounts are watched.")] = True
    new_recipients: Annotated[Count, _help("First-time recipients that are fine in a day.")] = 100
    same_text: Annotated[Count, _help("The same, of one text.")] = 50
    bounces: Annotated[Count, _help("Recipients that may fail in a day, or a quarter of all.")] = 20
    growth: Annotated[Count, _help("Times as many as on a day before are fine, too.")] = 3
    exempt: Annotated[Texts, _help("Accounts that are not watched, like shop@example.org.")] = ()


class Log(Struct, frozen=True, kw_only=True):
    """What is written to stderr, and kept for mailraven trace."""

    level: Annotated[LogLevel, _help("Least level that is written.")] = "info"
    format: Annotated[LogFormat, _help("JSON for machines, text for people.")] = "json"
    keep: Annotated[Duration, _help("What messages met with is kept so long; 0 is not.")] = 30 * DAY
    keep_size: Annotated[Size, _help("Most octets of that; the oldest go first.")] = 4 << 30


class Config(Struct, frozen=True, kw_only=True):
    """The whole configuration, checked; one immutable value."""

    hostname: Annotated[
        Host, _help("Name of this server in DNS; else the machine's.", "mx.example.org")
    ] = ""
    milters: Annotated[
        Milters, _help("Filters that see mail (milters), in their order: an address or a table.")
    ] = {}
    paths: Paths = Paths()
    smtp: Smtp = Smtp()
    imap: Imap = Imap()
    http: Http = Http()
    queue: Queue = Queue()
    dns: Dns = Dns()
    tls: Tls = Tls()
    auth: Auth = Auth()
    limits: Limits = Limits()
    brake: Brake = Brake()
    inbound: Inbound = Inbound()
    dnsbl: Dnsbl = Dnsbl()
    spam: Spam = Spam()
    log: Log = Log()
