"""IMAPClient and aioimaplib, the libraries that programs use beside imaplib."""

import asyncio

import pytest
from aioimaplib import IMAP4_SSL
from imapclient import IMAPClient

from peers.house import Account, House
from peers.messages import compose
from peers.patience import PATIENCE
from peers.sessions import change, expunge, files_of


@pytest.mark.req("SC-006", "FR-038", "FR-042")
@pytest.mark.parametrize("way", ["implicit", "starttls"])
def test_imapclient_works_both_ways(mailraven: House, account: Account, way: str) -> None:
    port = mailraven.imaps if way == "implicit" else mailraven.imap
    trust, implicit = mailraven.trust(), way == "implicit"
    me = account.address
    account.append(compose(me, me, "far"))
    with IMAPClient(
        mailraven.host, port, ssl=implicit, ssl_context=trust, timeout=PATIENCE
    ) as client:
        if not implicit:
            client.starttls(trust)
        client.login(me, account.password)
        assert (b"\\Trash",) in {flags[-1:] for flags, _, _ in client.list_folders()}
        client.create_folder("Grüße")
        client.append("INBOX", compose(me, me, "near"), flags=[b"\\Draft", b"$Work"])
        client.select_folder("INBOX")
        [far] = client.search(["SUBJECT", "far"])
        [near] = client.search(["KEYWORD", "$Work"])
        fetched = client.fetch([far, near], ["ENVELOPE", "FLAGS", "BODY.PEEK[]"])
        assert fetched[far][b"ENVELOPE"].subject == b"far"
        assert fetched[near][b"BODY[]"] == compose(me, me, "near")
        client.add_flags(far, [b"\\Flagged"])
        client.idle()
        change(account, "near", "\\Answered")
        expunge(account, "far")
        heard = []
        while (1, b"EXPUNGE") not in heard:
            heard += client.idle_check(PATIENCE)
        client.idle_done()
        assert any(
            len(one) == 3 and one[1] == b"FETCH" and b"\\Answered" in one[2][1] for one in heard
        )
        client.move([near], "Grüße")
        assert client.search() == []
    assert files_of(account) == {}
    assert files_of(account, "Grüße") == {"near": "DRa"}


async def drive(house: House, account: Account) -> None:
    me = account.address
    client = IMAP4_SSL(house.host, house.imaps, timeout=PATIENCE, ssl_context=house.trust())
    await client.wait_hello_from_server()
    assert (await client.login(me, account.password)).result == "OK"
    assert (await client.append(compose(me, me, "near"), "INBOX", flags="\\Draft")).result == "OK"
    assert (await client.select("INBOX")).result == "OK"
    read = await client.fetch("1", "(FLAGS BODY.PEEK[])")
    assert compose(me, me, "near") in read.lines
    idle = await client.idle_start(timeout=PATIENCE)
    await asyncio.to_thread(account.append, compose(me, me, "far"))
    assert b"2 EXISTS" in await client.wait_server_push(PATIENCE)
    client.idle_done()
    await asyncio.wait_for(idle, PATIENCE)
    assert (await client.uid("store", "1", "+FLAGS.SILENT (\\Deleted)")).result == "OK"
    assert (await client.uid("store", "2", "+FLAGS (\\Seen)")).result == "OK"
    assert (await client.expunge()).result == "OK"
    assert (await client.uid_search("ALL")).lines[0] == b"2"
    assert (await client.uid("move", "2", "Archive")).result == "OK"
    await client.logout()


@pytest.mark.req("SC-006", "FR-038", "FR-042")
def test_aioimaplib_works_both_ways(mailraven: House, account: Account) -> None:
    asyncio.run(drive(mailraven, account))
    assert files_of(account) == {}
    assert files_of(account, "Archive") == {"far": "S"}
