"""Lists in the DNS: what is asked, what an answer means, what a listed client hears."""

from ipaddress import IPv4Network, ip_address

import pytest

from mailraven.policy.dnsbl import Code, Zone, is_refused_to_us, listing, question, refusal

BL = Zone("bl.example", refuse=True, points=3.0, contact="https://bl.example/?{ip}")


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("192.0.2.99", "99.2.0.192.bl.example"),
        ("::ffff:192.0.2.99", "99.2.0.192.bl.example"),
        (
            "2001:db8:1:2:3:4:567:89ab",
            "b.a.9.8.7.6.5.0.4.0.0.0.3.0.0.0.2.0.0.0.1.0.0.0.8.b.d.0.1.0.0.2.bl.example",
        ),
    ],
)
@pytest.mark.req("FR-015")
def test_octets_and_nibbles_are_asked_backwards(address: str, name: str) -> None:
    assert question(ip_address(address), "bl.example") == name


@pytest.mark.parametrize(
    "answer", ["127.255.255.254", "127.255.255.1", "192.0.2.1", "126.255.255.255", "0.0.0.0"]
)
@pytest.mark.req("FR-015")
def test_errors_and_addresses_of_others_are_never_listings(answer: str) -> None:
    assert listing(BL, [answer]) is None


def test_a_list_that_refuses_us_is_known() -> None:
    assert is_refused_to_us(["127.0.0.2", "127.255.255.254"])
    assert not is_refused_to_us(["127.0.0.2"])


@pytest.mark.req("FR-015")
def test_the_weightiest_meaning_counts() -> None:
    codes = (
        Code(IPv4Network("127.0.0.2/32"), 2.0, "some spam"),
        Code(IPv4Network("127.0.0.10/31"), 5.0, "a home"),
    )
    found = listing(Zone("zen.example", codes=codes), ["127.0.0.2", "127.0.0.11"])
    assert found == ("zen.example", 5.0, "listed by zen.example (a home)")


def test_an_answer_that_has_no_meaning_does_not_count_where_others_have() -> None:
    zone = Zone("zen.example", points=9.0, codes=(Code(IPv4Network("127.0.0.2/32"), 2.0, ""),))
    assert listing(zone, ["127.0.0.3"]) is None


def test_a_list_of_good_senders_takes_points_away() -> None:
    found = listing(Zone("wl.example", points=-2.0), ["127.0.3.1"])
    assert found is not None
    assert found.points == -2.0


@pytest.mark.req("US3.3")
def test_a_refusal_names_list_reason_and_contact() -> None:
    assert refusal(BL, "192.0.2.99", [b"seen in a trap"]) == (
        "5.7.1 192.0.2.99 is listed by bl.example: seen in a trap;"
        " see https://bl.example/?192.0.2.99"
    )


def test_words_of_a_list_are_cut_off_and_cannot_end_a_line() -> None:
    text = refusal(BL, "192.0.2.99", [b"\r\n250 ok\xff" + b"x" * 5000])
    assert "\r" not in text
    assert "\n" not in text
    assert text.isascii()
    assert len(text) < 400
