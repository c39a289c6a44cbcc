"""Mail of mailing services and of people, wanted and unwanted alike, made with a fixed seed.

The words are those of mailing_words.toml for mail that is wanted, and of fraud_words.toml for mail
that is not. Both are sent through the same services and programs and look the same, so that what
tells them apart is what they say: neither HTML, nor a language, nor a service is evidence. All names
are invented. Every message is whole, with the trace field of the server that took it.
"""

import base64
import quopri
import random
import tomllib
from dataclasses import dataclass
from email.header import Header
from email.utils import formatdate
from pathlib import Path

HERE = Path(__file__).parent
GOOD = tomllib.loads((HERE / "mailing_words.toml").read_text())
BAD = tomllib.loads((HERE / "fraud_words.toml").read_text())["letters"]
NAMES, PARTS, ENDS = GOOD["names"], GOOD["parts"], GOOD["ends"]
START = 1_262_304_000  # 2010-01-01
SPAN = 16 * 365 * 86400


@dataclass(frozen=True, slots=True)
class Service:
    """Who hands mail over: {d} stands for the sender's domain, {n} for a number, {x} for a code."""

    host: str
    path: str
    link: str
    message_id: str
    signer: str  # of DKIM; "" for nobody
    hops: int
    mailer: str = ""


SERVICES = (
    Service(
        "mail{n}.suw{n}.kolibri.net",
        "bounce-us{n}_{n}.{n}@mail{n}.suw{n}.kolibri.net",
        "https://{d}.us{n}.kolibri-lists.com/track/click?u={x}{x}&id={x}",
        "{x}.{n}@mail{n}.suw{n}.kolibri.net",
        "kolibri.net",
        0,
        "Kolibri Mailer **CID{x}**",
    ),
    Service(
        "a{n}-{n}.smtp-out.cloudses.com",
        "0100{x}-{x}-000000@cloudses.com",
        "https://www.{d}/account/{x}",
        "0100{x}-000000@email.cloudses.com",
        "{d}",
        0,
    ),
    Service(
        "o{n}.ptr{n}.{d}",
        "bounces+{n}-{x}@em{n}.{d}",
        "https://u{n}.ct.sendwise.net/ls/click?upn={x}{x}{x}{x}",
        "{x}@geopod-ismtpd-{n}",
        "{d}",
        1,
    ),
    Service(
        "o{n}.ptr{n}.sendwise.net",
        "bounces+{n}-{x}@sendwise.net",
        "https://links.{d}/e/c/{x}{x}",
        "{x}@geopod-ismtpd-{n}",
        "{d}",
        1,
    ),
    Service(
        "mta{n}.stampmark.net",
        "pm_bounces@pm.stampmark.net",
        "https://click.stampmark.it/3s/{d}%2F{x}/{x}",
        "{x}@stampmark.net",
        "{d}",
        0,
    ),
    Service(
        "mta{n}.{d}",
        "return-{n}@news.{d}",
        "https://click.news.{d}/?qs={x}{x}{x}",
        "{n}.{x}.JavaMail.app@mta{n}.{d}",
        "{d}",
        1,
    ),
    Service("smtp.{d}", "noreply@{d}", "https://{d}/{x}", "{x}@{d}", "{d}", 1),
    Service(
        "mail-x{n}.google.com",
        "team@{d}",
        "https://app.{d}/x/{n}",
        "CA{x}{x}@mail.gmail.com",
        "{d}",
        1,
    ),
    Service(
        "web{n}.hoster{n}.net",
        "www-data@web{n}.hoster{n}.net",
        "http://www.{d}/?id={n}",
        "{x}@www.{d}",
        "",
        1,
        "PHPMailer 6.8.0",
    ),
    Service("mx{n}.{d}", "bounce@{d}", "http://www.{d}/go.asp?{n}", "{n}.{x}@{d}", "", 1),
    Service(
        "relay{n}.crmtool.com",
        "b-{x}@bounce.crmtool.com",
        "https://t.crmtool.com/r/{x}{x}",
        "{x}@crmtool.com",
        "crmtool.com",
        0,
    ),
)

PEOPLE = (
    Service("mail-x{n}.google.com", "{l}@gmail.com", "", "CA{x}{x}@mail.gmail.com", "gmail.com", 1),
    Service("mail-x{n}.google.com", "{l}@{d}", "", "CA{x}{x}@mail.gmail.com", "{d}", 1),
    Service("mail-eur{n}.outbound.protection.outlook.com", "{l}@{d}", "",
            "AM{n}PR{n}MB{x}@AM{n}PR{n}.eurprd01.prod.outlook.com", "{d}", 2),
    Service("mail.{d}", "{l}@{d}", "", "{x}-{x}@{d}", "", 1,
            "Mozilla/5.0 (Windows NT 10.0; rv:102.0) Gecko/20100101 Thunderbird/102.3.0"),
    Service("mail.{d}", "{l}@{d}", "", "000001d{x}${x}${x}@{d}", "", 1, "Microsoft Outlook 16.0"),
    Service("smtp{n}.provider{n}.net", "{l}@provider{n}.net", "", "{x}@provider{n}.net",
            "provider{n}.net", 1, "Apple Mail (2.3654)"),
    Service("mout.webhaus.de", "{l}@webhaus.de", "", "trinity-{x}@msvc-mesg-{n}", "webhaus.de", 1),
)  # fmt: skip


def wanted_mailings(count: int, seed: int) -> list[bytes]:
    """`count` messages: of services and of people, three to one."""
    chance = random.Random(seed)
    made = []
    for number in range(count):
        if number % 4 < 3:
            language, local, subject, text, button = chance.choice(GOOD["letters"])
            made.append(_Letter(chance, language, local, (subject, text, button)))
        else:
            language, subject, text = chance.choice(GOOD["people"])
            made.append(_Letter(chance, language, "", (subject, text, "")))
    return [one.whole() for one in made]


def unwanted_mailings(count: int, seed: int) -> list[bytes]:
    """`count` messages of the words of fraud, through the very same services and programs."""
    chance = random.Random(seed)
    made = []
    for _ in range(count):
        _, language, who, subject, text, button = chance.choice(BAD)
        parted = text.replace(". ", ". | ").replace("。", "。 | ")
        local = chance.choice(["info", "no-reply", "news", "service", "support"]) if button else ""
        made.append(_Letter(chance, language, local, (subject, parted, button), who))
    return [one.whole() for one in made]


class _Letter:
    """One message in the making; without `local` it is written by a person."""

    def __init__(
        self,
        chance: random.Random,
        language: str,
        local: str,
        words: tuple[str, str, str],
        firm: str = "",
    ) -> None:
        self.chance, self.language = chance, language
        name = "".join(chance.sample(PARTS, 2)) + chance.choice(["", "", "", "-shop", "24", "app"])
        self.domain = f"{name}.{chance.choice(ENDS)}"
        self.person = f"{chance.choice(NAMES)} {chance.choice(PARTS).title()}er"
        self.local = local or self.person.lower().replace(" ", chance.choice([".", "_", ""]))
        self.by_person = not local
        self.service = chance.choice(PEOPLE if self.by_person else SERVICES)
        self.firm = firm or (self.person if self.by_person else name.title())
        self.at = START + chance.randrange(SPAN)
        values = {
            "n": str(chance.randrange(10000, 9999999)),
            "name": chance.choice(NAMES),
            "user": chance.choice(["user", "user@example.org"]),
            "firm": self.firm,
            "sum": chance.choice(["$", "€", "£", "USD ", "R$ "]) + str(chance.randrange(3, 4000)),
            "day": f"{chance.randrange(1, 28)}.{chance.randrange(1, 12)}.",
        }
        self.subject, text, self.button = (one.format_map(values) for one in words)
        first, *others = text.split(" | ")
        self.sentences = [first, *(one for one in others if chance.random() < 0.8)]
        if self.button and chance.random() < 0.5:
            self.sentences.append(chance.choice(GOOD["ask"].get(language, [self.button])))
        if not self.by_person and chance.random() < 0.7:
            self.sentences.append(chance.choice(GOOD["foot"].get(language, [self.domain])))

    def code(self, length: int = 12) -> str:
        return "".join(self.chance.choice("0123456789abcdef") for _ in range(length))

    def fill(self, pattern: str) -> str:
        """`pattern` with the sender's domain, numbers and codes in their places."""
        while "{n}" in pattern:
            pattern = pattern.replace("{n}", str(self.chance.randrange(1, 300)), 1)
        while "{x}" in pattern:
            pattern = pattern.replace("{x}", self.code(), 1)
        return pattern.replace("{d}", self.domain).replace("{l}", self.local)

    def link(self) -> str:
        return self.fill(self.service.link)

    def whole(self) -> bytes:
        """The message, with LF between lines."""
        head = "\n".join([*self.trace(), *self.header()])
        return (head + "\n" + self.body()).encode()

    def trace(self) -> list[str]:
        host = self.fill(self.service.host)
        address = ".".join(str(self.chance.randrange(1, 254)) for _ in range(4))
        self.path = self.fill(self.service.path)
        lines = [
            f"Return-Path: <{self.path}>",
            f"Received: from {host} ({host} [{address}])\n\tby mx.example.org (ESMTP) with ESMTP"
            f" id {self.code(10)}\n\tfor <user@example.org>; {formatdate(self.at)}",
        ]
        return lines + [
            f"Received: from {self.code(6)}.local ([10.0.{hop}.7]) by {host} with ESMTP id"
            f" {self.code()};\n\t{formatdate(self.at - 2 - hop)}"
            for hop in range(self.service.hops)
        ]

    def header(self) -> list[str]:
        chance, service = self.chance, self.service
        sender = self.path if self.by_person else f"{self.local}@{self.domain}"
        lines = [
            f"From: {_encoded(self.firm)} <{sender}>",
            f"To: {chance.choice(['', 'User '])}<user@example.org>",
            f"Subject: {_encoded(self.subject)}",
            f"Date: {formatdate(self.at - chance.randrange(1, 60))}",
            f"Message-ID: <{self.fill(service.message_id)}>",
            "MIME-Version: 1.0",
        ]
        if service.signer and self.at > 1_388_534_400:
            lines.insert(0, self.signature(self.fill(service.signer)))
        if service.mailer:
            lines.append(f"X-Mailer: {self.fill(service.mailer)}")
        if not self.by_person and chance.random() < 0.6:
            lines.append(
                f"List-Unsubscribe: <mailto:u-{self.code()}@{self.domain}>, <{self.link()}>"
            )
            if chance.random() < 0.6:
                lines.append("List-Unsubscribe-Post: List-Unsubscribe=One-Click")
        if chance.random() < 0.2:
            lines.append(f"Reply-To: <{self.local}@{self.domain}>")
        return lines

    def signature(self, domain: str) -> str:
        seal = base64.b64encode(self.chance.randbytes(128)).decode()
        return (
            f"DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d={domain}; s=s1;\n"
            f"\th=from:to:subject:date;\n\tbh={seal[:44]};\n\tb={seal[44:110]}\n\t {seal[110:]}"
        )

    def body(self) -> str:
        """Content-Type and what follows it."""
        shape = self.chance.random()
        plain, page = self.part("plain", self.text()), self.part("html", self.page())
        if self.by_person and shape < 0.4:
            return plain
        if shape < 0.5 and not self.by_person:
            return page
        boundary = self.chance.choice(["----=_Part_", "--==_mimepart_", "b1_", "=_", ""])
        boundary += self.code(20)
        return (
            f'Content-Type: multipart/alternative; boundary="{boundary}"\n\n'
            f"--{boundary}\n{plain}\n--{boundary}\n{page}\n--{boundary}--\n"
        )

    def part(self, kind: str, text: str) -> str:
        encoding = self.chance.choice(["base64", "quoted-printable", "quoted-printable", "8bit"])
        data = text.encode()
        body = {
            "base64": base64.encodebytes(data).decode(),
            "quoted-printable": quopri.encodestring(data).decode(),
            "8bit": text,
        }[encoding]
        charset = self.chance.choice(["utf-8", "UTF-8", '"utf-8"'])
        return (
            f"Content-Type: text/{kind}; charset={charset}\n"
            f"Content-Transfer-Encoding: {encoding}\n\n{body}"
        )

    def text(self) -> str:
        joint = "\n\n" if self.chance.random() < 0.5 else " "
        words = joint.join(self.sentences)
        return f"{words}\n\n{self.button}: {self.link()}\n" if self.button else f"{words}\n"

    def page(self) -> str:
        chance = self.chance
        said = "".join(f"<p>{one}</p>" for one in self.sentences)
        if self.by_person:
            return f'<html><body><div style="font-family:Calibri">{said}</div></body></html>'
        button = (
            f'<a href="{self.link()}" style="background:#22bc66;color:#fff;padding:10px 18px">'
            f"{self.button}</a>"
        )
        picture = f'<img src="https://cdn.{self.domain}/{self.code(6)}.png" width="200" alt="">'
        foot = f'<p style="font-size:12px;color:#888"><a href="{self.link()}">{self.domain}</a></p>'
        pieces = [f"<h1>{self.subject}</h1>" if chance.random() < 0.5 else "", said]
        if chance.random() < 0.6:
            pieces.insert(0, f'<a href="{self.link()}">{picture}</a>')
        pieces += [button if self.button else "", foot]
        if chance.random() < 0.5:
            pieces.append(f'<img src="{self.link()}" width="1" height="1" alt="">')
        if chance.random() < 0.4:
            hidden = '<div style="display:none;max-height:0">'
            pieces.insert(0, f"{hidden}{self.sentences[0]}{'&zwnj;&nbsp;' * 30}</div>")
        inner = "".join(pieces)
        frames = (
            f"<html><body>{inner}</body></html>",
            f"<!DOCTYPE html><html><head><style>p{{margin:0}}@media(max-width:600px){{td{{width:100%}}}}"
            f'</style></head><body bgcolor="#f4f4f4"><table width="100%"><tr><td align="center"><table'
            f' width="600"><tr><td>{inner}</td></tr></table></td></tr></table></body></html>',
            f'<html><head><meta charset="utf-8"></head><body><center><div style="max-width:600px">'
            f"{inner}</div></center></body></html>",
        )
        return chance.choice(frames)


def _encoded(text: str) -> str:
    return text if text.isascii() else Header(text, "utf-8", maxlinelen=200).encode()
