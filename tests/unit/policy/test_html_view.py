"""HTML as a reader sees it, and what senders hide in it."""

import pytest

from mailraven.policy.html_view import view_html


def test_text_is_what_is_shown() -> None:
    seen = view_html("<style>p{}</style><p>Caf&eacute;<br>now</p><!-- x --><script>y</script>")
    assert seen.text == "Café now"
    assert seen.hidden == ""


@pytest.mark.parametrize(
    "style",
    [
        "display:none",
        "DISPLAY : NONE",
        "visibility:hidden",
        "font-size:0",
        "font-size:1px;",
        "opacity:0;",
        "max-height:0px",
        "mso-hide:all",
        "text-indent:-9999px",
    ],
)
def test_what_a_style_hides_is_no_text(style: str) -> None:
    seen = view_html(f'<div>shown<div style="{style}">hid<b>den</b></div>again</div>')
    assert seen.text.split() == ["shown", "again"]
    assert seen.hidden == "hidden"


@pytest.mark.parametrize(
    "style", ["font-size:10px", "font-size:0.9em", "opacity:0.8", "color:#000"]
)
def test_what_is_merely_small_is_shown(style: str) -> None:
    assert view_html(f'<p style="{style}">shown</p>').hidden == ""


def test_a_text_with_a_size_of_its_own_is_shown_in_a_cell_that_has_none() -> None:
    cell = '<td style="font-size:0px;padding:0">%s</td>'
    assert view_html(cell % '<div style="font-size:13px">shown</div>').text == "shown"
    assert view_html(cell % '<div style="font-size:small">shown</div>').text == "shown"
    assert view_html(cell % "<div>hidden</div>").hidden == "hidden"
    assert view_html('<p style="display:none"><b style="font-size:9px">hidden</b></p>').text == ""


def test_text_like_its_background_is_faint() -> None:
    assert view_html('<p style="color:#fefefe">12345</p>').faint == 5
    assert view_html('<td bgcolor="#000"><font color="black">123</font></td>').faint == 3
    assert view_html('<td bgcolor="#000"><font color="white">123</font></td>').faint == 0
    assert view_html('<td style="background:#1a73e8"><a style="color:#fff">x</a>').faint == 0


def test_links_come_with_the_text_that_is_shown_for_them() -> None:
    seen = view_html('<a href="HTTPS://User@Evil.Example:8080/p?q"><b>bank</b>.example</a> more')
    [(url, label)] = seen.links
    assert (url.host, url.user, url.rest, label) == ("evil.example", "User", "/p?q", "bank.example")


def test_pictures_and_pixels_are_counted() -> None:
    seen = view_html(
        '<a href=http://a.example><img src="//b.example/x.png" width=1 height="1"></a>'
    )
    assert [url.host for url in seen.images] == ["b.example"]
    assert (seen.image_tags, seen.pixels, seen.linked_image) == (1, 1, True)


@pytest.mark.parametrize(
    "source",
    [
        "<p>seen<!-- never closed",
        "<style>seen",
        "seen<b",
        "seen</p></p></div>",
        "<<>><p>seen</p",
        "seen&#99999999999999999999999999;&#xfffffffffffffffff;",
    ],
)
def test_broken_html_hides_nothing(source: str) -> None:
    assert "seen" in view_html(source).text


@pytest.mark.parametrize(
    "piece",
    [
        "<",
        "<a ",
        "<a href='",
        "<!--",
        "<style",
        "<b>",
        "</b>",
        "&#",
        "&amp;",
        "<div style=display:none>",
    ],
)
def test_a_hostile_page_takes_linear_time(piece: str) -> None:
    view_html(piece * (65536 // len(piece)))  # a quadratic walk takes minutes
