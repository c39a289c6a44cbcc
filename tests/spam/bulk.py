"""Legitimate bulk mail by the hundred, made from bulk_words.toml with a fixed seed.

Receipts, parcels, newsletters, sign-ins and the like in twelve languages, as the mailers of shops,
banks and services send them: HTML with tables, preview line, tracking links and pixels, bounce
addresses of the mailing service, List-Unsubscribe, DKIM. All names and hosts are invented.
Every message is whole, with the trace field of the server that took it.
"""

import base64
import quopri
import random
import tomllib
from dataclasses import dataclass
from email.header import Header
from email.utils import formatdate
from pathlib import Path

WORDS = tomllib.loads((Path(__file__).parent / "bulk_words.toml").read_text())
KINDS = ("receipt", "shipping", "newsletter", "reset", "statement", "invite", "signin", "ticket")
HELD_OUT_LANGUAGES = frozenset({"pl", "ja", "ar"})  # never trained on: for honest figures
HELD_OUT_KINDS = frozenset({"ticket", "signin"})
FIRMS = [
    "Lindenhof",
    "Bergkiosk",
    "Nordlicht",
    "Papierwal",
    "Kupferkanne",
    "Heckenrose",
    "Fjordwerk",
    "Marabel",
    "Ostwind",
    "Talisker",
    "Quinta",
    "Velorama",
    "Brightwell",
    "Hartland",
    "Stonebridge",
    "Oakmoor",
    "Larkspur",
    "Finchley",
    "Meridian",
]
NAMES = [
    "Alex",
    "Maria",
    "Jan",
    "Sofia",
    "Luca",
    "Anna",
    "Yuki",
    "Wei",
    "Omar",
    "Nina",
    "Pavel",
    "Ines",
]
START = 1_640_995_200  # 2022-01-01
SPAN = 4 * 365 * 86400


@dataclass(frozen=True)
class Style:
    """How one kind of mailer writes: `path` and `link` are domains with {d} for the firm's own."""

    name: str
    host: str
    path: str
    link: str
    message_id: str
    mailer: str
    alternative: bool
    own_signature: bool
    encoding: str
    unsubscribe: bool
    hops: int


STYLES = (
    Style(
        "relay",
        "o{n}.ptr{n}.sendwise.example",
        "bounces+{n}-{x}@em{n}.{d}",
        "links.{d}",
        "{x}@geopod-ismtpd-{n}",
        "",
        True,
        True,
        "quoted-printable",
        True,
        1,
    ),
    Style(
        "campaign",
        "mail{n}.suw{n}.postkolibri.example",
        "bounce-mc.us{n}_{n}.{n}-{x}@mail{n}.suw{n}.postkolibri.example",
        "{d}.us{n}.list-manage.example",
        "{x}.{n}@mail{n}.suw{n}.postkolibri.example",
        "Kolibri Mailer - **CID{x}**",
        True,
        False,
        "quoted-printable",
        True,
        0,
    ),
    Style(
        "cloud",
        "a{n}-{n}.smtp-out.cloudses.example",
        "0100{x}-{x}-000000@bounces.{d}",
        "www.{d}",
        "0100{x}-000000@email.cloudses.example",
        "",
        False,
        True,
        "quoted-printable",
        False,
        0,
    ),
    Style(
        "house",
        "mta{n}.{d}",
        "return-{n}@news.{d}",
        "click.news.{d}",
        "{n}.{x}.JavaMail.app@mta{n}.{d}",
        "",
        True,
        True,
        "8bit",
        True,
        1,
    ),
    Style(
        "shop",
        "web{n}.hoster.example",
        "info@{d}",
        "www.{d}",
        "{x}@{d}",
        "PHPMailer 6.8.0 (https://github.com/PHPMailer/PHPMailer)",
        False,
        True,
        "8bit",
        False,
        1,
    ),
    Style(
        "stamp",
        "mta{n}.mtasv.example",
        "pm_bounces@pm-bounces.{d}",
        "click.pstmrk.example",
        "{x}@mtasv.example",
        "",
        True,
        True,
        "base64",
        True,
        0,
    ),
)


def bulk_messages(count: int, seed: int, *, held_out: bool | None = None) -> list[bytes]:
    """`count` messages; `held_out` True: only of languages and kinds that nothing is trained on,
    False: only of the others, None: of all."""
    chance = random.Random(seed)
    every = [(language, kind) for language in WORDS for kind in KINDS]
    kept = [one for one in every if held_out is None or _is_held_out(*one) is held_out]
    return [
        _Letter(chance, *kept[number % len(kept)], STYLES[chance.randrange(len(STYLES))]).whole()
        for number in range(count)
    ]


def _is_held_out(language: str, kind: str) -> bool:
    return language in HELD_OUT_LANGUAGES or kind in HELD_OUT_KINDS


class _Letter:
    """One message in the making."""

    def __init__(self, chance: random.Random, language: str, kind: str, style: Style) -> None:
        self.chance, self.language, self.kind, self.style = chance, language, kind, style
        self.words = WORDS[language]
        self.firm = chance.choice(FIRMS)
        self.domain = f"{self.firm.lower()}{chance.choice(['', '-shop', 'mail', '24'])}.example"
        self.name = chance.choice(NAMES)
        self.at = START + chance.randrange(SPAN)
        self.values = {
            "n": str(chance.randrange(100000, 9999999)),
            "name": self.name,
            "firm": self.firm,
            "sum": f"{chance.randrange(4, 240)},{chance.randrange(100):02d} €",
            "day": f"{chance.randrange(1, 28)}.{chance.randrange(1, 12)}.",
        }

    def code(self, length: int = 12) -> str:
        return "".join(self.chance.choice("0123456789abcdef") for _ in range(length))

    def fill(self, pattern: str) -> str:
        """`pattern` with the firm's domain for {d}, numbers for {n}, codes for {x}."""
        while "{n}" in pattern:
            pattern = pattern.replace("{n}", str(self.chance.randrange(1, 300)), 1)
        while "{x}" in pattern:
            pattern = pattern.replace("{x}", self.code(), 1)
        return pattern.replace("{d}", self.domain)

    def link(self) -> str:
        code = (
            base64.urlsafe_b64encode(self.chance.randbytes(self.chance.randrange(9, 60)))
            .decode()
            .strip("=")
        )
        return f"https://{self.fill(self.style.link)}/{self.chance.choice(['c', 'ls/click', 'track', 'e/c'])}/{code}"

    def whole(self) -> bytes:
        """The message, with LF between lines."""
        head = "\n".join([*self.trace(), *self.header()])
        return (head + "\n" + self.body()).encode()

    def trace(self) -> list[str]:
        host = self.fill(self.style.host)
        address = ".".join(str(self.chance.randrange(1, 254)) for _ in range(4))
        lines = [
            f"Return-Path: <{self.fill(self.style.path)}>",
            f"Received: from {host} ({host} [{address}])\n\tby mx.example.org (ESMTP) with ESMTP id {self.code(10)}"
            f"\n\tfor <user@example.org>; {formatdate(self.at)}",
        ]
        if self.style.hops:
            lines.append(
                f"Received: by filter{self.code(4)}.{host.split('.', 1)[1]} with SMTP id {self.code()};"
                f"\n\t{formatdate(self.at - 2)}"
            )
        return lines

    def header(self) -> list[str]:
        local = self.chance.choice(["no-reply", "info", "service", "news", "hello", "orders"])
        subject = self.words[self.kind][0].format_map(self.values)
        lines = [
            f"From: {_encoded(self.firm)} <{local}@{self.domain}>",
            f"To: {self.name} <user@example.org>"
            if self.chance.random() < 0.5
            else "To: user@example.org",
            f"Subject: {_encoded(subject)}",
            f"Date: {formatdate(self.at - self.chance.randrange(1, 30))}",
            f"Message-ID: <{self.fill(self.style.message_id)}>",
            "MIME-Version: 1.0",
        ]
        if self.chance.random() < 0.93:
            lines.insert(
                0,
                self.signature(self.domain if self.style.own_signature else "postkolibri.example"),
            )
        if self.style.mailer:
            lines.append(f"X-Mailer: {self.fill(self.style.mailer)}")
        if self.style.unsubscribe and (self.kind == "newsletter" or self.chance.random() < 0.4):
            lines.append(
                f"List-Unsubscribe: <mailto:u-{self.code()}@{self.domain}>,\n <{self.link()}>"
            )
            if self.chance.random() < 0.6:
                lines.append("List-Unsubscribe-Post: List-Unsubscribe=One-Click")
        if self.kind == "newsletter" and self.chance.random() < 0.5:
            lines.append(f"List-ID: {self.code(8)} <{self.code(8)}.{self.domain}>")
            lines.append("Precedence: bulk")
        if self.chance.random() < 0.3:
            lines.append(f"Reply-To: {_encoded(self.firm)} <service@{self.domain}>")
        if self.chance.random() < 0.3:
            lines.append(f"Feedback-ID: {self.code(6)}:{self.code(6)}:{self.style.name}")
        return lines

    def signature(self, domain: str) -> str:
        body_hash = base64.b64encode(self.chance.randbytes(32)).decode()
        seal = base64.b64encode(self.chance.randbytes(128)).decode()
        return (
            f"DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d={domain}; s=s{self.chance.randrange(1, 9)};"
            f"\n\th=from:to:subject:date:message-id:mime-version;\n\tbh={body_hash};\n\tb={seal[:70]}\n\t {seal[70:]}"
        )

    def body(self) -> str:
        """Content-Type and what follows it."""
        if self.kind == "invite":
            return self.multipart(
                "alternative",
                [self.part("plain", self.text()), self.part("html", self.html()), self.calendar()],
            )
        if self.style.alternative:
            return self.multipart(
                "alternative", [self.part("plain", self.text()), self.part("html", self.html())]
            )
        if self.kind == "ticket":
            return self.multipart("mixed", [self.part("html", self.html()), self.attachment()])
        return self.part("html", self.html())

    def multipart(self, kind: str, parts: list[str]) -> str:
        boundary = f"----=_Part_{self.code(8)}"
        inside = "".join(f"--{boundary}\n{part}\n" for part in parts)
        return f'Content-Type: multipart/{kind}; boundary="{boundary}"\n\n{inside}--{boundary}--\n'

    def part(self, kind: str, text: str) -> str:
        data = text.encode()
        if self.style.encoding == "base64":
            body = base64.encodebytes(data).decode()
        elif self.style.encoding == "quoted-printable":
            body = quopri.encodestring(data).decode()
        else:
            body = text
        return f"Content-Type: text/{kind}; charset=utf-8\nContent-Transfer-Encoding: {self.style.encoding}\n\n{body}"

    def calendar(self) -> str:
        return (
            "Content-Type: text/calendar; charset=utf-8; method=REQUEST\nContent-Transfer-Encoding: 7bit\n\n"
            f"BEGIN:VCALENDAR\nMETHOD:REQUEST\nVERSION:2.0\nBEGIN:VEVENT\nUID:{self.code()}@{self.domain}\n"
            "DTSTART:20240510T080000Z\nDTEND:20240510T090000Z\nSUMMARY:Review\nEND:VEVENT\nEND:VCALENDAR\n"
        )

    def attachment(self) -> str:
        data = base64.encodebytes(b"%PDF-1.4\n" + self.chance.randbytes(3000)).decode()
        return (
            'Content-Type: application/pdf; name="ticket.pdf"\nContent-Transfer-Encoding: base64\n'
            f'Content-Disposition: attachment; filename="ticket.pdf"\n\n{data}'
        )

    def text(self) -> str:
        _, words, button = self.words[self.kind]
        lines = [
            self.words["hello"],
            "",
            words,
            "",
            f"{button}: {self.link()}",
            "",
            "-- ",
            self.words["footer"],
        ]
        return (
            "\n".join(line.format_map(self.values) for line in lines)
            + f"\n{self.words['unsubscribe']}: {self.link()}\n"
        )

    def html(self) -> str:
        subject, words, button = (one.format_map(self.values) for one in self.words[self.kind])
        colour = self.chance.choice(["#1a73e8", "#0b7a4b", "#c8102e", "#222222", "#f60"])
        rows = (
            "".join(
                f'<tr><td style="padding:8px;border-bottom:1px solid #eee">{self.firm} {number}</td>'
                f'<td align="right" style="padding:8px">{self.chance.randrange(3, 90)},90 €</td></tr>'
                for number in range(self.chance.randrange(1, 6))
            )
            if self.kind in ("receipt", "shipping", "newsletter")
            else ""
        )
        preview = "&#847;&zwnj;&nbsp;" * self.chance.choice([0, 20, 60])
        articles = (
            "".join(self.article(words) for _ in range(self.chance.randrange(1, 4)))
            if self.kind == "newsletter"
            else ""
        )
        return f"""<!DOCTYPE html><html lang="{self.language}"><head><meta charset="utf-8"><title>{subject}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>body{{margin:0;padding:0}}.btn{{color:#fff}}@media (max-width:600px){{.col{{width:100%!important}}}}</style></head>
<body style="margin:0;background-color:#f4f4f4">
<div style="display:none;max-height:0;overflow:hidden">{subject}{preview}</div>
<table role="presentation" width="100%" cellpadding="0" cellspacing="0"><tr><td align="center">
<table width="600" style="background:#ffffff;font-family:Arial,sans-serif;color:#333333">
<tr><td align="center" style="padding:24px"><a href="{self.link()}"><img src="https://{self.asset()}/logo.png" width="140" alt="{self.firm}"></a></td></tr>
<tr><td style="padding:0 32px"><h1 style="font-size:22px">{subject}</h1>
<p>{self.words["hello"].format_map(self.values)}</p><p>{words}</p></td></tr>{articles}
<tr><td style="padding:0 32px"><table width="100%">{rows}</table></td></tr>
<tr><td align="center" style="padding:24px"><table><tr><td bgcolor="{colour}" style="border-radius:4px">
<a href="{self.link()}" style="color:#ffffff;padding:12px 24px;display:inline-block;text-decoration:none">{button}</a>
</td></tr></table></td></tr>
<tr><td style="padding:24px;font-size:12px;color:#888888">{self.words["footer"].format_map(self.values)}<br>
<a href="{self.link()}" style="color:#888888">{self.words["unsubscribe"]}</a></td></tr>
</table></td></tr></table><img src="{self.link()}.gif" width="1" height="1" alt="" border="0"></body></html>
"""

    def article(self, words: str) -> str:
        return (
            f'<tr><td style="padding:0 32px"><a href="{self.link()}"><img src="https://{self.asset()}/{self.code()}.jpg"'
            f' width="536" alt=""></a><h2>{self.firm}</h2><p>{words}</p><p><a href="{self.link()}">{self.words["newsletter"][2]}</a></p></td></tr>'
        )

    def asset(self) -> str:
        return self.fill(
            self.chance.choice(
                [
                    "cdn.{d}",
                    "static.{d}",
                    "d{n}abc.cloudfront.net",
                    "images.postkolibri.example",
                    "www.{d}",
                ]
            )
        )


def _encoded(text: str) -> str:
    return text if text.isascii() else Header(text, "utf-8", maxlinelen=200).encode()
