"""What real servers send back for mail that they took and could not deliver, and what we record."""

import json

import pytest

from peers import exim as exim_peer
from peers import opensmtpd as opensmtpd_peer
from peers import postfix as postfix_peer
from peers.house import Account, House
from peers.messages import compose
from peers.patience import wait_for

pytestmark = pytest.mark.xdist_group("receivers")

# The status that each gives to a recipient of its own whose mail cannot be filed after all.
STATUS = {
    exim_peer.DOMAIN: "5.0.0",
    opensmtpd_peer.DOMAIN: "5.3.0",
    postfix_peer.DOMAIN: "5.1.1",
}


@pytest.mark.usefixtures("exim", "opensmtpd", "postfix")
@pytest.mark.parametrize("domain", STATUS)
def test_bounce_of_a_real_server_is_tied_to_its_message(
    mailraven: House, account: Account, domain: str
) -> None:
    lost = f"lost@{domain}"
    # All three have one Message-ID, as those of a mailing may.
    account.submit(compose(account.address, lost, "taken and lost"), lost)
    [record] = wait_for(
        "a record", lambda: json.loads(mailraven.queue("bounces", "--to", lost, "--json"))
    )
    assert record["account"] == account.address
    assert record["message_id"] == f"<taken.and.lost@{mailraven.domain}>"
    assert (record["kind"], record["action"]) == ("bounce", "failed")
    assert record["status"] == STATUS[domain]
    assert record["is_matched"] and record["is_proved"]
    assert record.get("is_hard", False) is (STATUS[domain] == "5.1.1")
    assert wait_for("the bounce itself", account.messages)
