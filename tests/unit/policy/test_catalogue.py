"""The tests that rules can name: each is in the manual, and each tells one thing."""

import re
from pathlib import Path

import pytest

from mailraven.policy.catalogue import CATALOGUE, findings_of
from mailraven.policy.facts import Facts
from unit.policy.letters import html_letter, letter, seen

PAGE = Path(__file__).parents[3] / "man" / "mailraven-spam.5"


def test_the_manual_names_every_test() -> None:
    named = re.findall(r"^\.It Ic (\S+)$", PAGE.read_text(), re.MULTILINE)
    assert sorted(named) == sorted(CATALOGUE)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("no-message-id", letter(Message_ID=None)),
        ("bad-message-id", letter(Message_ID="<a b@c>")),
        ("dotless-message-id", letter(Message_ID="<1@host>")),
        ("odd-zone", letter(Date="Mon, 23 Nov 2026 10:00:00 -1600")),
        ("no-date", letter(Date="yesterday")),
        ("no-subject", letter(Subject=None)),
        ("raw-subject", letter(Subject="Grüße")),
        ("shouting-subject", letter(Subject="READ THIS NOW")),
        ("styled-subject", letter(Subject="=?utf-8?b?8J2QhvCdkKvwnZCe8J2QnvCdkK0=?=")),
        ("mixed-scripts", letter(Subject="=?utf-8?b?0KBheXBhbCDRgGF5cGFs?=")),
        ("malformed-author", letter(From="a@example.net, b@example.net")),
        ("name-holds-address", letter(From='"info@bank.example" <x@evil.example>')),
        ("brand-name", letter(From="PayPal Service <x@evil.example>")),
        ("reply-to-free", letter(Reply_To="x@gmail.com")),
        ("placeholder", letter(Subject="Dear {name}")),
        ("fake-reply", letter(Subject="Re: your bill")),
        ("html-only", html_letter("<p>hello</p>")),
        ("deceiving-link", html_letter("<a href='http://evil.example/'>www.bank.example</a>")),
        ("hexed-link", html_letter("<a href='http://x.example/%61%62%63%64%65'>x</a>")),
        ("address-link", letter("http://192.0.2.1/x\n")),
        ("user-in-link", letter("http://bank.example@evil.example/\n")),
        ("shortened-link", letter("https://bit.ly/x\n")),
        ("faint-text", html_letter("<p style='color:#fff'>" + "hide " * 30 + "</p>")),
        ("hidden-text", html_letter("<p style='display:none'>" + "hide " * 90 + "</p>")),
        ("data-link", html_letter("<a href='data:text/html,x'>x</a>")),
        ("broken-words", letter("ac\u200bco\u200bunt is lo\u200bck\u200bed to\u200bda\u200by\n")),
    ],
)
def test_a_test_is_true_of_what_it_is_named_after_only(name: str, message: bytes) -> None:
    assert name in findings_of(seen(message))
    assert name not in findings_of(seen(letter()))


@pytest.mark.parametrize(
    ("name", "facts"),
    [
        ("bare-address-helo", Facts(helo="[192.0.2.1]")),
        ("odd-helo", Facts(helo="localhost")),
        ("helo-unlike-name", Facts(helo="a.example", reverse_name="b.test")),
        ("no-reverse-name", Facts(reverse_name="")),
        ("dynamic-host", Facts(reverse_name="p1.dip.dsl.isp.example", client_ip="192.0.2.1")),
        ("dynamic-host", Facts(reverse_name="192-0-2-77.isp.example", client_ip="192.0.2.77")),
        ("rented-host", Facts(reverse_name="vmi192.0.2.77.vps.example", client_ip="192.0.2.77")),
        ("null-path", Facts(mail_from="")),
    ],
)
def test_a_test_of_the_path_is_true_by_facts_only(name: str, facts: Facts) -> None:
    assert name in findings_of(seen(letter(), facts))
    assert name not in findings_of(seen(letter()))


def test_a_host_whose_helo_is_a_name_of_its_own_is_nobodys_home() -> None:
    numbered = {"reverse_name": "192-0-2-77-ptr.shop.example", "client_ip": "192.0.2.77"}
    assert "dynamic-host" in findings_of(seen(letter(), Facts(helo="friend", **numbered)))
    assert "dynamic-host" not in findings_of(
        seen(letter(), Facts(helo="web1.shop.example", **numbered))
    )


def test_an_answer_is_known_by_what_it_refers_to_and_quotes() -> None:
    answer = letter("On Monday Bob wrote:\n> hello\n", References="<0@example.org>")
    assert "reply" in findings_of(seen(answer))
    assert "reply" not in findings_of(seen(letter("> hello\n")))
