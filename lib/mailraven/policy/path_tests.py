"""Tests of the path: who handed the message over, and through whose hands it came before."""

import re

from mailraven.policy.domains import (
    FREE_MAIL,
    domain_of,
    is_address,
    looks_dynamic,
    looks_rented,
    registered,
)
from mailraven.policy.testing import Table
from mailraven.policy.view import View

_BY_SCRIPT = re.compile(rb"from userid (?:0|33|48)\)|\(from (?:root|apache|www-data|nobody)@")
_BY_WEB = re.compile(rb"with (?:HTTPS?\b|http)|X-Originating", re.IGNORECASE)
_OWN_NAME = re.compile(r"[a-z0-9-]+(?:\.[a-z0-9-]+)*\.[a-z]{2,24}\.?", re.IGNORECASE)


def _hops(view: View) -> list[bytes]:
    return view.fields.get(b"received", [])


def _bare_address_helo(view: View) -> bool:
    helo = view.facts.helo
    return helo is not None and is_address(helo)


def _odd_helo(view: View) -> bool:
    """A name that no server on the Internet has (RFC 5321 §4.1.1.1)."""
    helo = view.facts.helo
    return helo is not None and not is_address(helo) and _OWN_NAME.fullmatch(helo) is None


def _helo_unlike_name(view: View) -> bool:
    helo, name = view.facts.helo, view.facts.reverse_name
    return bool(helo) and bool(name) and registered(str(helo).lower()) != registered(str(name))


def _no_reverse_name(view: View) -> bool:
    return view.facts.reverse_name == "" or view.facts.reverse_confirmed is False


def _dynamic(view: View) -> bool:
    name = view.facts.reverse_name
    return bool(name) and looks_dynamic(str(name), view.facts.client_ip) and not _is_kept(view)


def _is_kept(view: View) -> bool:
    """Somebody looks after it: HELO is a name of its own in the domain of the host's name."""
    helo, name = (view.facts.helo or "").lower(), str(view.facts.reverse_name)
    if helo == name or _OWN_NAME.fullmatch(helo) is None or registered(helo) != registered(name):
        return False
    return not looks_dynamic(helo, view.facts.client_ip)


def _rented(view: View) -> bool:
    name = view.facts.reverse_name
    return bool(name) and looks_rented(str(name), view.facts.client_ip)


def _relative(view: View) -> bool:
    """The host that brought it is of the author's own domain."""
    name = view.facts.reverse_name
    return bool(name) and registered(str(name)) == registered(view.author.domain)


def _forged_free_mail(view: View) -> bool:
    """An author at a free mail service, whose servers did not bring it."""
    domain = view.author.domain
    if domain not in FREE_MAIL or not view.facts.reverse_name or b"list-id" in view.fields:
        return False
    houses = {registered(view.facts.reverse_name), registered(domain)}
    return len(houses) > 1 and not houses & _HOUSES.get(registered(domain), frozenset())


_GOOGLE = frozenset({"google.com", "googlemail.com"})
_MICROSOFT = frozenset({"outlook.com", "hotmail.com", "microsoft.com"})
_HOUSES = {
    "gmail.com": _GOOGLE,
    "googlemail.com": _GOOGLE,
    "hotmail.com": _MICROSOFT,
    "outlook.com": _MICROSOFT,
    "live.com": _MICROSOFT,
    "msn.com": _MICROSOFT,
    "icloud.com": frozenset({"apple.com", "icloud.com", "me.com"}),
    "me.com": frozenset({"apple.com", "icloud.com"}),
    "aol.com": frozenset({"yahoo.com", "aol.com"}),
    "ymail.com": frozenset({"yahoo.com"}),
    "rocketmail.com": frozenset({"yahoo.com"}),
    "web.de": frozenset({"gmx.net", "web.de"}),
    "gmx.de": frozenset({"gmx.net"}),
    "gmx.at": frozenset({"gmx.net"}),
    "gmx.com": frozenset({"gmx.net", "mail.com"}),
    "bk.ru": frozenset({"mail.ru"}),
    "list.ru": frozenset({"mail.ru"}),
    "inbox.ru": frozenset({"mail.ru"}),
    "me.me": frozenset({"apple.com"}),
    "proton.me": frozenset({"protonmail.ch"}),
    "protonmail.com": frozenset({"protonmail.ch"}),
    "pm.me": frozenset({"protonmail.ch"}),
}

PATH_TESTS: Table = {
    "no-earlier-hop": (
        "nobody had it before the server that brought it",
        lambda view: not _hops(view),
    ),
    "many-hops": ("four hops or more", lambda view: len(_hops(view)) >= 4),
    "bare-address-helo": ("HELO with a bare address", _bare_address_helo),
    "odd-helo": ("HELO with a name that is not in DNS", _odd_helo),
    "helo-unlike-name": ("HELO of another domain than the host's name", _helo_unlike_name),
    "no-reverse-name": ("a host without a name, or with one that is not its own", _no_reverse_name),
    "dynamic-host": ("a host of a home, by its name", _dynamic),
    "rented-host": ("a rented host that nobody named", _rented),
    "own-host": ("brought by a host of the author's domain", _relative),
    "forged-free-mail": ("in the name of a free mail service, not by its hosts", _forged_free_mail),
    "by-root": (
        "handed in by root or a web server's account",
        lambda view: any(_BY_SCRIPT.search(hop[:1000]) for hop in _hops(view)[-3:]),
    ),
    "by-web": (
        "handed in over the web",
        lambda view: any(_BY_WEB.search(hop[:1000]) for hop in _hops(view)[-2:]),
    ),
    "by-php": (
        "sent by a script of a web page",
        lambda view: b"x-php-originating-script" in view.fields or b"x-php-script" in view.fields,
    ),
    "dotless-path": (
        "a reverse-path whose domain cannot be",
        lambda view: "." not in (domain_of(view.facts.mail_from or "") or "."),
    ),
}
