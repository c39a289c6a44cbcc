"""Real milters from Debian in smtpd's path: rspamd for mail of strangers, OpenDKIM for users'."""

import json
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from email.utils import formatdate
from pathlib import Path

import dkim
import pytest

from mailraven.ops.demo import Demo
from servers.debian_milters import GTUBE, opendkim, rspamd
from transcripts.live import DOMAIN, running
from unit.daemons.smtp_house import (
    alice,
    answer_to,
    mailbox,
    new_house,
    spooled,
    spooled_message,
    stranger,
)
from unit.senderauth.signed import dkim_result

LARGE = 1 << 20  # above it a message is written to a file


@pytest.fixture(scope="module")
def keys() -> Iterator[Path]:
    """A folder with key.pem and the record for it."""
    folder = Path(tempfile.mkdtemp(prefix="mailraven.milters."))
    private, public = folder / "key.pem", folder / "key.pub"
    subprocess.run(["openssl", "genrsa", "-out", private, "2048"], check=True, capture_output=True)
    command = ["openssl", "rsa", "-in", private, "-pubout", "-out", public]
    subprocess.run(command, check=True, capture_output=True)
    private.chmod(0o600)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def house(keys: Path) -> Iterator[Demo]:
    settings = [f"Domain {DOMAIN}", "Selector test", f"KeyFile {keys}/key.pem", "Mode s"]
    settings.append("RequireSafeKeys no")  # everybody may write to /tmp
    with new_house(15) as demo, opendkim(keys, *settings) as signer, rspamd(keys) as scanner:
        config = demo.etc / "mailraven.toml"
        config.write_text(
            f'{config.read_text()}\n[milters.opendkim]\naddress = "{signer}"\n'
            f'for = "submission"\n[milters.rspamd]\naddress = "{scanner}"\n'
            'for = "inbound"\nreuse = true\n'
        )
        checked = {"inbound_exempt": "", "inbound_authenticate": "false"}
        with running(demo, "authd", "smtpd", message_size="3M", **checked):
            yield demo


def mail(author: str, text: str, size: int = 0) -> bytes:
    head = f"From: <{author}>\r\nTo: bob@example.org\r\nSubject: lunch\r\nDate: {formatdate()}\r\n"
    lines = (b"." * 60 + b"\r\n") * (size // 60)
    return f"{head}Message-ID: <1@example.net>\r\n\r\n{text}\r\n".encode() + lines


def bring(house: Demo, text: str, size: int = 0) -> str:
    with stranger(house) as smtp:
        return answer_to(
            smtp, "x@example.net", [f"bob@{DOMAIN}"], mail("x@example.net", text, size)
        )


def test_rspamd_refuses_its_test_pattern_in_its_own_words(house: Demo) -> None:
    assert bring(house, GTUBE) == "554 5.7.1 Gtube pattern"
    (path,) = (house.root / "verdicts").glob("*.jsonl")
    record = json.loads(path.read_text().splitlines()[-1])
    assert record["milters"] == [
        {
            "name": "rspamd",
            "at": "message",
            "answer": "reject",
            "reply": "554 5.7.1 Gtube pattern",
        }
    ]


def test_rspamd_lets_good_mail_by_one_after_another(house: Demo) -> None:
    before = len(mailbox(house, "bob"))
    for size in (0, LARGE, 0):
        assert bring(house, "at noon?", size).startswith("250 ")
    assert len(mailbox(house, "bob")) == before + 3


@pytest.mark.parametrize("size", [0, LARGE])
def test_opendkim_signs_what_goes_out_and_the_signature_is_true(
    house: Demo, keys: Path, size: int
) -> None:
    for path in spooled(house):
        path.unlink()
    author = f"alice@{DOMAIN}"
    with alice(house) as smtp:
        answer = answer_to(smtp, author, ["far@example.com"], mail(author, "at noon?", size))
    assert answer.startswith("250 ")
    (entry,) = spooled(house)
    message = spooled_message(house, entry)
    assert b"DKIM-Signature: v=1;" in message
    key = "".join((keys / "key.pub").read_text().splitlines()[1:-1])
    record = f"v=DKIM1; k=rsa; p={key}".encode()
    assert dkim.verify(message, dnsfunc=lambda name, timeout=5: record)
    assert dkim_result(message, (record,), now=int(time.time()) + 10).word == "pass"
