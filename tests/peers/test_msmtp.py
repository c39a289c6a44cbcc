"""msmtp submits as a person's sendmail does."""

from pathlib import Path

import pytest

from peers.command import run
from peers.house import Account, House
from peers.messages import EIGHT_BIT, body_of, compose

CONFIG = """\
account default
host {host}
port {port}
auth on
user {user}
password {password}
from {user}
tls on
tls_starttls {starttls}
tls_trust_file {ca}
"""


@pytest.mark.parametrize("starttls", ["on", "off"], ids=["starttls", "implicit"])
def test_msmtp_submits(
    mailraven: House, account: Account, other: Account, tmp_path: Path, starttls: str
) -> None:
    facts = {
        "host": mailraven.host,
        "port": mailraven.submission if starttls == "on" else mailraven.submissions,
        "user": account.address,
        "password": account.password,
        "starttls": starttls,
        "ca": mailraven.ca,
    }
    config = tmp_path / "msmtprc"
    config.write_text(CONFIG.format_map(facts))
    config.chmod(0o600)  # msmtp refuses a password that others can read
    message = compose(account.address, other.address, "by msmtp").replace(b"\r\n", b"\n")
    run("msmtp", "-C", config, "--", other.address, home=tmp_path, stdin=message)
    assert body_of(other.await_message("by msmtp")) == EIGHT_BIT
