"""Names of hosts: what domain they belong to, and what is known of it.

The domain that somebody registered is guessed by shape here: for points in a score a public suffix
list is not worth its size, and senderauth, which decides by one, hands its results over as facts.
"""

import re
from functools import lru_cache

# Second-level names that registries of countries sell below, as in example.co.uk.
_SECOND_LEVEL = frozenset(
    [
        "ac",
        "co",
        "com",
        "edu",
        "go",
        "gob",
        "gov",
        "gouv",
        "gv",
        "ltd",
        "ne",
        "net",
        "nom",
        "or",
        "org",
        "plc",
        "asso",
    ]
)
FREE_MAIL = frozenset(
    [
        "gmail.com",
        "googlemail.com",
        "yahoo.com",
        "yahoo.co.uk",
        "yahoo.fr",
        "yahoo.de",
        "yahoo.es",
        "yahoo.it",
        "yahoo.co.jp",
        "ymail.com",
        "rocketmail.com",
        "hotmail.com",
        "hotmail.co.uk",
        "hotmail.fr",
        "hotmail.de",
        "hotmail.es",
        "hotmail.it",
        "outlook.com",
        "outlook.fr",
        "outlook.de",
        "outlook.es",
        "live.com",
        "live.fr",
        "live.co.uk",
        "live.nl",
        "msn.com",
        "aol.com",
        "icloud.com",
        "me.com",
        "mac.com",
        "gmx.de",
        "gmx.net",
        "gmx.at",
        "gmx.ch",
        "gmx.com",
        "web.de",
        "t-online.de",
        "freenet.de",
        "mail.ru",
        "bk.ru",
        "inbox.ru",
        "list.ru",
        "yandex.ru",
        "yandex.com",
        "rambler.ru",
        "orange.fr",
        "free.fr",
        "wanadoo.fr",
        "laposte.net",
        "libero.it",
        "virgilio.it",
        "tiscali.it",
        "terra.com.br",
        "uol.com.br",
        "bol.com.br",
        "qq.com",
        "163.com",
        "126.com",
        "sina.com",
        "naver.com",
        "daum.net",
        "hanmail.net",
        "wp.pl",
        "onet.pl",
        "o2.pl",
        "interia.pl",
        "seznam.cz",
        "centrum.cz",
        "ukr.net",
        "i.ua",
        "protonmail.com",
        "proton.me",
        "pm.me",
        "tutanota.com",
        "zoho.com",
        "mail.com",
        "email.com",
        "usa.net",
        "lycos.com",
        "excite.com",
        "netscape.net",
        "juno.com",
    ]
)
# Whoever asks may put a page below these names for nothing and at once.
FREE_HOSTING = frozenset(
    [
        "blob.core.windows.net",
        "web.core.windows.net",
        "azurewebsites.net",
        "cloudfunctions.net",
        "onmicrosoft.com",
        "azureedge.net",
        "cloudapp.net",
        "azurefd.net",
        "s3.amazonaws.com",
        "amazonaws.com",
        "amplifyapp.com",
        "cloudfront.net",
        "storage.googleapis.com",
        "firebasestorage.googleapis.com",
        "web.app",
        "firebaseapp.com",
        "appspot.com",
        "run.app",
        "sites.google.com",
        "docs.google.com",
        "forms.gle",
        "translate.goog",
        "r2.dev",
        "workers.dev",
        "pages.dev",
        "github.io",
        "gitlab.io",
        "netlify.app",
        "vercel.app",
        "herokuapp.com",
        "onrender.com",
        "glitch.me",
        "replit.app",
        "surge.sh",
        "weebly.com",
        "weeblysite.com",
        "wixsite.com",
        "wordpress.com",
        "blogspot.com",
        "square.site",
        "godaddysites.com",
        "mystrikingly.com",
        "webflow.io",
        "framer.app",
        "ipfs.io",
        "dweb.link",
        "cloudflare-ipfs.com",
        "fleek.co",
        "digitaloceanspaces.com",
        "linodeobjects.com",
        "backblazeb2.com",
        "wasabisys.com",
        "ngrok.io",
        "ngrok.app",
        "trycloudflare.com",
        "duckdns.org",
        "ddns.net",
        "hopto.org",
        "zapto.org",
        "myftp.org",
        "sytes.net",
        "000webhostapp.com",
        "myshopify.com",
        "typeform.com",
        "jotform.com",
        "telegra.ph",
        "notion.site",
        "gitbook.io",
        "contaboserver.net",
        "contabostorage.com",
        "oraclecloud.com",
        "linode.com",
        "geocities.com",
        "tripod.com",
        "angelfire.com",
    ]
)
SHORTENERS = frozenset(
    [
        "bit.ly",
        "tinyurl.com",
        "t.co",
        "goo.gl",
        "ow.ly",
        "is.gd",
        "buff.ly",
        "cutt.ly",
        "rb.gy",
        "rebrand.ly",
        "t.ly",
        "shorturl.at",
        "tiny.cc",
        "v.gd",
        "s.id",
        "lnkd.in",
        "bl.ink",
        "urlz.fr",
        "qrco.de",
        "shorturl.asia",
        "urlr.me",
        "t.me",
        "wa.me",
        "linktr.ee",
        "x.gd",
        "ln.run",
        "u.to",
        "clck.ru",
        "vk.cc",
        "tr.ee",
        "l.ead.me",
        "me2.do",
        "n9.cl",
        "acortar.link",
        "encurtador.com.br",
    ]
)
# Where names cost next to nothing; a hint, never a proof.
CHEAP_TLDS = frozenset(
    [
        "top",
        "xyz",
        "icu",
        "club",
        "online",
        "site",
        "website",
        "space",
        "store",
        "shop",
        "live",
        "click",
        "link",
        "buzz",
        "fun",
        "monster",
        "rest",
        "cyou",
        "cfd",
        "sbs",
        "bond",
        "quest",
        "lol",
        "pics",
        "beauty",
        "hair",
        "makeup",
        "skin",
        "boats",
        "autos",
        "homes",
        "mom",
        "wang",
        "vip",
        "work",
        "win",
        "bid",
        "loan",
        "men",
        "date",
        "trade",
        "stream",
        "download",
        "racing",
        "review",
        "party",
        "science",
        "faith",
        "accountant",
        "gq",
        "ml",
        "cf",
        "ga",
        "tk",
        "pw",
        "ws",
        "cam",
        "surf",
        "bar",
        "best",
        "today",
        "world",
        "life",
        "press",
        "host",
        "uno",
        "asia",
        "zip",
        "mov",
    ]
)
_ADDRESS = re.compile(r"\[?(?:\d{1,3}\.){3}\d{1,3}\]?|\[[0-9a-fA-F:.]+\]|\[IPv6:[0-9a-fA-F:.]+\]")
_DYNAMIC = re.compile(
    r"(?:^|[.\d_-])(?:x?dsl|adsl|cable|catv|cm|cpe|dhcp|dial(?:in|up)?|dyn(?:amic)?(?:ip)?|home"
    r"|modem|pool|ppp|pppoe|res(?:idential)?|user|customer|client|broadband|fiber|ftth|gprs|umts"
    r"|wimax|dup|hsd|nat|unassigned|wlan|mobile)(?:[.\d_-]|$)"
)
_RENTED = re.compile(
    r"(?:^|[.\d_-])(?:vmi?\d+|vps[\w-]*|v?server\d*|static|cloud\w*|compute|ec2|bc|clients|host\d*"
    r"|node\d*|srv\d*|vm\d*|ip)[.\d_-]"
)


def is_address(host: str) -> bool:
    """Whether a host is a bare address, in brackets or not."""
    return _ADDRESS.fullmatch(host) is not None


@lru_cache(4096)
def registered(host: str) -> str:
    """The registered domain of a lower-case host: mail.shop.example.co.uk is example.co.uk."""
    labels = host.strip(".").split(".")
    if len(labels) <= 2 or is_address(host):
        return ".".join(labels)
    deep = len(labels[-1]) == 2 and labels[-2] in _SECOND_LEVEL
    return ".".join(labels[-3 if deep else -2 :])


def domain_of(address: str) -> str:
    """The host of an address in lower case, "" where there is none."""
    return address.rpartition("@")[2].strip(" .>").lower() if "@" in address else ""


def is_below(host: str, names: frozenset[str]) -> bool:
    """Whether `host`, or a domain that it is in, is one of `names`."""
    labels = host.split(".")[-5:]
    return any(".".join(labels[start:]) in names for start in range(len(labels)))


@lru_cache(1024)
def looks_dynamic(name: str, address: str | None) -> bool:
    """Whether a reverse name is one that a provider gives to homes, or made of the address."""
    if _DYNAMIC.search(name):
        return True
    return holds_address(name, address) and not _RENTED.search(name)


@lru_cache(1024)
def looks_rented(name: str, address: str | None) -> bool:
    """Whether a reverse name is the one that a rented machine has before anybody names it."""
    return bool(_RENTED.search(name)) and holds_address(name, address)


def holds_address(name: str, address: str | None) -> bool:
    """Whether a name spells out the IPv4 address, forwards or backwards, or in hexadecimal."""
    if not address or ":" in address:
        return False
    numbers = address.split(".")
    if len(numbers) != 4 or not all(number.isdigit() and len(number) < 4 for number in numbers):
        return False
    found = re.findall(r"\d+", name)
    same = sum(number in found or number.zfill(3) in found for number in numbers)
    hexadecimal = "".join(f"{int(number):02x}" for number in numbers)
    together = "".join(number.zfill(3) for number in numbers)
    return same >= 3 or hexadecimal in name or together in name
