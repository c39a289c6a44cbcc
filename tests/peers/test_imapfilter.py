"""imapfilter sorts the mail of an account by rules in Lua."""

import re
from pathlib import Path

import pytest

from peers.command import run
from peers.house import Account, House
from peers.messages import compose
from peers.sessions import files_of

CONFIG = """\
options.timeout = 60
options.cache = false
options.certificates = true
options.create = true
options.hostnames = false
account = IMAP {{
    server = "{host}", port = {port}, username = "{user}", password = "{password}", ssl = "{tls}"
}}
"""
RULES = """
for _, message in ipairs(account.INBOX:contain_subject("to read")) do
    mailbox, uid = table.unpack(message)
    print("body:" .. mailbox[uid]:fetch_body())
end
account.INBOX:contain_subject("to read"):mark_seen()
account.INBOX:contain_subject("to flag"):add_flags({"\\\\Flagged", "$Work"})
account.INBOX:contain_subject("to copy"):copy_messages(account.Archive)
account.INBOX:contain_subject("to move"):move_messages(account.Sorted)
account.INBOX:contain_body("unwanted words"):delete_messages()
print("flagged:" .. #account.INBOX:is_flagged() .. " unseen:" .. #account.INBOX:is_unseen())
"""


@pytest.mark.req("SC-006", "FR-038", "FR-042")
@pytest.mark.parametrize("way", ["implicit", "starttls"])
def test_imapfilter_reads_flags_copies_moves_and_deletes(
    mailraven: House, account: Account, tmp_path: Path, way: str
) -> None:
    me = account.address
    for subject in ("to read", "to flag", "to copy", "to move"):
        account.append(compose(me, me, subject, f"text of {subject}\n"))
    account.append(compose(me, me, "to delete", "some unwanted words\n"))
    implicit = way == "implicit"
    facts = {
        "host": mailraven.host,
        "port": mailraven.imaps if implicit else mailraven.imap,
        "tls": "auto" if implicit else "",
        "user": me,
        "password": account.password,
    }
    config = tmp_path / "config.lua"
    (tmp_path / ".imapfilter").mkdir()
    config.write_text(CONFIG.format_map(facts).replace(', ssl = ""', "") + RULES)
    said = run("imapfilter", "-t", mailraven.ca, "-c", config, home=tmp_path)
    assert "body:text of to read" in said
    assert re.search(r"flagged:1 unseen:2", said), said
    assert files_of(account).keys() == {"to read", "to flag", "to copy"}
    assert account.flags()["to read"] == {"\\Seen"}
    assert account.flags()["to flag"] == {"\\Flagged", "$Work"}
    assert set(account.flags("Archive")) == {"to copy"}
    assert set(files_of(account, "Sorted")) == {"to move"}
