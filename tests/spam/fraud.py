"""Unwanted mail of our time by the hundred, made from fraud_words.toml with a fixed seed.

Fake parcels, mailboxes, banks, wallets, prizes, pills, loans, blackmail and offers, sent as such
mail is sent: by rented and hacked machines, by free mail with answers elsewhere, by hacked sites,
by tenants of clouds on trial, and by real mailing services with signatures that are right. All
names are invented; the places that cost nothing are real names of services, with invented pages.
"""

import base64
import quopri
import random
import tomllib
from email.header import Header
from email.utils import formatdate
from pathlib import Path

LETTERS = [
    tuple(one)
    for one in tomllib.loads((Path(__file__).parent / "fraud_words.toml").read_text())["letters"]
]
WAYS = ("rented", "hacked-box", "free", "site", "tenant", "service", "service", "relay", "thread")
FREE = ("gmail.com", "outlook.com", "yahoo.com", "hotmail.com", "aol.com", "gmx.de", "mail.ru")
PLACES = (
    "https://storage.googleapis.com/{x}/{x}.html#{x}",
    "https://{x}.s3.amazonaws.com/index.html",
    "https://{x}.web.app/{x}",
    "https://{x}.pages.dev/",
    "https://{x}.blob.core.windows.net/{x}/i.html?{x}",
    "https://bit.ly/{x}",
    "https://t.co/{x}",
    "https://www.google.com/url?q=https%3A%2F%2F{h}%2F{x}",
    "http://{h}/{x}/{x}",
    "http://{h}/wp-content/plugins/{x}/go.php?e=user@example.org",
    "https://{h}/cl/{n}_md/{n}/{n}/{n}/{n}/{n}",
    "https://xn--{x}-9ya.example/login",
    "http://{a}/{x}.php",
    "https://{x}.{x}.{x}.{h}/?id={x}",
)
PARTS = ("zan", "tri", "mel", "gor", "quo", "ven", "lup", "dex", "ori", "sul", "bax", "nim")
START = 1_640_995_200  # 2022-01-01
SPAN = 4 * 365 * 86400


def fraud_messages(count: int, seed: int) -> list[bytes]:
    """`count` messages, of all words and ways in turn."""
    chance = random.Random(seed)
    return [_Letter(chance, number).whole() for number in range(count)]


class _Letter:
    """One message in the making."""

    def __init__(self, chance: random.Random, number: int) -> None:
        self.chance = chance
        self.kind, self.language, self.who, *words, self.button = LETTERS[number % len(LETTERS)]
        self.way = chance.choice(WAYS)
        if self.kind in ("money", "giftcard", "blackmail", "offer") and chance.random() < 0.7:
            self.way = chance.choice(["free", "free", "hacked-box", "rented"])
        self.at = START + chance.randrange(SPAN)
        self.domain = f"{self.word()}{self.word()}.example"
        self.from_domain = self._from_domain()
        self.host = f"{self.word()}{self.word()}{chance.randrange(99)}.example"
        self.values = {
            "n": str(chance.randrange(10000, 9999999)),
            "sum": chance.choice(["$", "€", "USD "]) + str(chance.randrange(2, 9900)),
            "day": f"{chance.randrange(1, 28)}.{chance.randrange(1, 12)}.",
            "user": chance.choice(["user", "user@example.org"]),
        }
        self.subject, self.text = (one.format_map(self.values) for one in words)
        if chance.random() < 0.2:
            self.subject = (
                chance.choice(["⚠️ ", "🎁 ", "✅ ", "Re: ", "RE: ", "Fw: "]) + self.subject
            )
        if chance.random() < 0.07:
            self.subject += f"   {self.code(6)}"

    def _from_domain(self) -> str:
        if self.way == "free":
            return self.chance.choice(FREE)
        return f"{self.word()}.onmicrosoft.com" if self.way == "tenant" else self.domain

    def word(self) -> str:
        return "".join(self.chance.sample(PARTS, self.chance.randrange(1, 4)))

    def code(self, length: int = 10) -> str:
        return "".join(
            self.chance.choice("abcdefghijklmnopqrstuvwxyz0123456789") for _ in range(length)
        )

    def link(self) -> str:
        pattern = self.chance.choice(PLACES)
        if self.way in ("service", "relay") and self.chance.random() < 0.6:
            pattern = f"https://links.{self.domain}/c/{{x}}{{x}}{{x}}"
        while "{x}" in pattern:
            pattern = pattern.replace("{x}", self.code(self.chance.randrange(5, 14)), 1)
        while "{n}" in pattern:
            pattern = pattern.replace("{n}", str(self.chance.randrange(1, 9999)), 1)
        return pattern.replace("{h}", self.host).replace("{a}", self.address())

    def address(self) -> str:
        return ".".join(str(self.chance.randrange(1, 254)) for _ in range(4))

    def whole(self) -> bytes:
        """The message, with LF between lines."""
        head = "\n".join([*self.trace(), *self.header()])
        return (head + "\n" + self.body()).encode()

    def trace(self) -> list[str]:
        address = self.address()
        name = {
            "rented": self.chance.choice(
                ["unknown", f"vps{address.replace('.', '-')}.{self.domain}", self.domain]
            ),
            "free": "mail-x.google.com",
            "tenant": "mail-x.outbound.protection.outlook.com",
            "service": f"o{self.chance.randrange(99)}.ptr{self.code(4)}.sendwise.example",
            "relay": f"mta{self.chance.randrange(99)}.{self.domain}",
        }.get(self.way, f"mail.{self.domain}")
        helo = self.chance.choice([address, "localhost", name]) if self.way == "rented" else name
        path = (
            f"bounces+{self.code()}@em.{self.domain}"
            if self.way in ("service", "relay")
            else f"{self.local()}@{self.from_domain}"
        )
        lines = [
            f"Return-Path: <{path}>",
            f"Received: from {helo} ({name} [{address}])\n\tby mx.example.org (ESMTP) with ESMTP id {self.code()}"
            f"\n\tfor <user@example.org>; {formatdate(self.at)}",
        ]
        if self.way in ("free", "hacked-box", "site", "tenant"):
            by = "from userid 33" if self.way == "site" else "with ESMTPA"
            lines.append(
                f"Received: from {self.code(6)} (unknown [{self.address()}])\n\tby {name} {by} id {self.code()};\n\t{formatdate(self.at - 3)}"
            )
        return lines

    def local(self) -> str:
        return self.chance.choice(
            ["info", "noreply", "support", "admin", "contact", self.code(8), f"mary{self.code(5)}"]
        )

    def header(self) -> list[str]:
        who = self.who
        if self.chance.random() < 0.3:
            who = self.chance.choice([f"{who}™", f"{who} #{self.code(5)}", who.upper(), f"{who} ®"])
        lines = [
            f"From: {_encoded(who)} <{self.local()}@{self.from_domain}>",
            f"To: {self.chance.choice(['user@example.org', '<user@example.org>', 'undisclosed-recipients:;'])}",
            f"Subject: {_encoded(self.subject)}",
            f"Date: {formatdate(self.at - self.chance.randrange(0, 4000))}",
        ]
        if self.chance.random() < 0.85:
            lines.append(f"Message-ID: <{self.message_id()}>")
        if self.way in ("service", "relay", "tenant", "free") or self.chance.random() < 0.3:
            lines.insert(0, self.signature())
        if self.way in ("service", "relay") and self.chance.random() < 0.7:
            lines.append(f"List-Unsubscribe: <{self.link()}>")
            if self.chance.random() < 0.4:
                lines.append("List-Unsubscribe-Post: List-Unsubscribe=One-Click")
        if self.way == "site":
            lines += [f"X-PHP-Originating-Script: 1001:{self.code(5)}.php", "X-Priority: 1"]
        if self.way == "thread":
            lines.append(f"References: <{self.code()}@{self.code(5)}.example>")
        if (self.way == "free" and self.chance.random() < 0.5) or not self.button:
            lines.append(f"Reply-To: <{self.code(8)}@{self.chance.choice(FREE)}>")
        return [*lines, "MIME-Version: 1.0"]

    def message_id(self) -> str:
        return self.chance.choice(
            [
                f"{self.code(20)}@{self.domain}",
                f"{self.code(8)}.{self.chance.randrange(9999999)}@{self.host}",
                f"{self.code(12)}@localhost.localdomain",
                f"{self.code(24)}@geopod-ismtpd-{self.chance.randrange(30)}",
                f"0100{self.code(12)}-{self.code(8)}-000000@email.cloudses.example",
            ]
        )

    def signature(self) -> str:
        seal = base64.b64encode(self.chance.randbytes(128)).decode()
        domain = self.chance.choice([self.from_domain, self.domain])
        return (
            f"DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d={domain}; s=s{self.chance.randrange(1, 9)};"
            f"\n\th=from:to:subject:date:message-id:mime-version;\n\tbh={seal[:44]};\n\tb={seal[44:110]}\n\t {seal[110:]}"
        )

    def body(self) -> str:
        """Content-Type and what follows it."""
        if not self.button:
            return self.part("plain" if self.chance.random() < 0.7 else "html", self.text)
        shape = self.chance.random()
        if shape < 0.6:
            return self.part("html", self.html())
        first = self.part("plain", self.text + "\n" + self.link() if shape < 0.8 else " ")
        boundary = f"{self.chance.choice(['----=_Part_', '=_', 'b1_', ''])}{self.code(20)}"
        parts = [first, self.part("html", self.html())]
        inside = "".join(f"--{boundary}\n{part}\n" for part in parts)
        return f'Content-Type: multipart/alternative; boundary="{boundary}"\n\n{inside}--{boundary}--\n'

    def part(self, kind: str, text: str) -> str:
        encoding = self.chance.choice(["base64", "quoted-printable", "8bit"])
        data = text.encode()
        body = {
            "base64": base64.encodebytes(data).decode(),
            "quoted-printable": quopri.encodestring(data).decode(),
            "8bit": text,
        }[encoding]
        charset = self.chance.choice(["utf-8", "UTF-8", '"utf-8"'])
        return f"Content-Type: text/{kind}; charset={charset}\nContent-Transfer-Encoding: {encoding}\n\n{body}"

    def html(self) -> str:
        link = self.link()
        image = f'<a href="{link}"><img src="{self.link()}" border="0" style="max-width:100%"></a>'
        words = self.text
        if self.chance.random() < 0.2:
            words = "\u200b".join(words[start : start + 4] for start in range(0, len(words), 4))
        button = f'<a href="{link}" style="background:#d00;color:#fff;padding:15px 40px">{self.button}</a>'
        looks = [
            f"<p>{self.values['user']},</p><p>{words}</p><p>{button}</p>",
            f"<center>{image}<br><br>{image}</center>",
            f'<div style="max-width:600px;margin:auto;border:1px solid #ccc"><h2>{self.subject}</h2>{words}<br><br>{button}</div>',
            f'<table width="600" align="center"><tr><td>{image}</td></tr><tr><td><b>{words}</b><br>{button}</td></tr></table>',
        ]
        shown = self.chance.choice(looks)
        if self.chance.random() < 0.3:
            noise = " ".join(self.word() for _ in range(self.chance.randrange(40, 300)))
            shown += f'<div style="font-size:0;color:#fff;display:none">{noise}</div>'
        if self.chance.random() < 0.4:
            shown += f'<br><br><a href="{self.link()}">unsubscribe</a><br>{self.values["n"]} Main Street, Suite {self.chance.randrange(900)}'
        return f"<html><body>{shown}</body></html>"


def _encoded(text: str) -> str:
    return text if text.isascii() else Header(text, "utf-8", maxlinelen=200).encode()
