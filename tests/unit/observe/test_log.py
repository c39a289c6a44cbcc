"""What a peer says is logged so that no terminal obeys it."""

import json

import pytest

from mailraven.observe import log


@pytest.mark.parametrize("format", ["json", "text"])
def test_no_control_of_a_peer_reaches_the_terminal(
    capfdbinary: pytest.CaptureFixture[bytes], format: str
) -> None:
    helo = "a\u009b31m\x1b[2J\x7f\u0085\r\nb\u0080é\u00a0"
    log.setup("smtpd", format=format)
    log.event("connect", helo=helo, names=[helo])
    log.setup("mailraven")
    line = capfdbinary.readouterr().err
    assert line.count(b"\n") == 1
    text = line.decode()
    assert not any(ord(c) < 32 or 127 <= ord(c) < 160 for c in text[:-1])
    if format == "json":
        assert json.loads(text)["helo"] == helo
        assert "é" in text
