"""Thunderbird, as installed, on a screen that nobody sees: it lists, reads, flags and deletes.

`make clients` runs this; its name keeps it out of `make test`, for it takes its time.
"""

import json
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from clients.marionette import PATIENCE, Marionette
from mailraven.ops.demo import Demo
from transcripts.live import make_house, running

DISPLAYS = range(90, 190)
USER = "alice@example.org"
MESSAGE = "From: Bob <bob@example.net>\nSubject: {0}\nMessage-ID: <{0}@example.net>\n\n{0} text\n"
SERVER = "mail.server.server1."
PREFERENCES: dict[str, object] = {
    "mail.accountmanager.accounts": "account1",
    "mail.accountmanager.defaultaccount": "account1",
    "mail.account.account1.server": "server1",
    "mail.account.account1.identities": "id1",
    "mail.identity.id1.useremail": USER,
    "mail.identity.id1.valid": True,
    SERVER + "type": "imap",
    SERVER + "name": USER,
    SERVER + "userName": USER,
    SERVER + "socketType": 3,  # TLS from the first octet
    SERVER + "authMethod": 3,  # password
    SERVER + "login_at_startup": False,
    SERVER + "check_new_mail": False,
    "mail.provider.enabled": False,
    "mail.shell.checkDefaultClient": False,
    "mail.spotlight.firstRunDone": True,
    "mail.rights.version": 1,
    "mailnews.start_page.enabled": False,
    "app.update.enabled": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "toolkit.telemetry.enabled": False,
    "extensions.update.enabled": False,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    # No web from here: whatever it wants to fetch ends at a closed port.
    "network.proxy.type": 1,
    "network.proxy.http": "127.0.0.1",
    "network.proxy.http_port": 9,
    "network.proxy.ssl": "127.0.0.1",
    "network.proxy.ssl_port": 9,
}
# Every script begins so.
TOOLS = """
const { MailServices } = ChromeUtils.importESModule("resource:///modules/MailServices.sys.mjs");
const server = MailServices.accounts.accounts[0].incomingServer;
const named = flag => server.rootFolder.getFolderWithFlags(Ci.nsMsgFolderFlags[flag]);
const until = async look => {
  for (;;) {
    const seen = look();
    if (seen) return seen;
    await new Promise(resolve => setTimeout(resolve, 50));
  }
};
const { setTimeout } = ChromeUtils.importESModule("resource://gre/modules/Timer.sys.mjs");
const finished = begin => new Promise((resolve, reject) => begin({
  QueryInterface: ChromeUtils.generateQI(["nsIUrlListener"]),
  OnStartRunningUrl() {},
  OnStopRunningUrl(url, status) {
    status ? reject(Error(`status ${status.toString(16)}`)) : resolve();
  },
}));
const update = folder => finished(listener =>
  folder.QueryInterface(Ci.nsIMsgImapMailFolder).updateFolderWithListener(null, listener));
const find = subject => [...named("Inbox").messages].find(one => one.subject == subject);
"""


@pytest.fixture
def house() -> Iterator[Demo]:
    root = Path(tempfile.mkdtemp(prefix="mailraven-thunderbird."))
    high, low = divmod(os.getpid() & 0xFFFF, 256)
    demo = make_house(root / "house", f"127.13.{high}.{low}")
    with running(demo, "authd", "imapd"):
        yield demo
    shutil.rmtree(root)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def make_profile(house: Demo, folder: Path, port: int) -> None:
    """A profile with one account that trusts the house's certificate authority."""
    folder.mkdir()
    facts = {
        **PREFERENCES,
        SERVER + "hostname": house.address,
        SERVER + "port": house.ports["imaps"],
        "marionette.port": port,
    }
    lines = [
        f"user_pref({json.dumps(key)}, {json.dumps(value)});\n" for key, value in facts.items()
    ]
    (folder / "user.js").write_text("".join(lines))
    base = ["certutil", "-d", f"sql:{folder}"]
    ca = str(house.root / "tls" / "ca.pem")
    subprocess.run([*base, "-N", "--empty-password"], check=True)
    subprocess.run([*base, "-A", "-n", "house", "-t", "C,,", "-i", ca], check=True)


@pytest.fixture
def screen() -> Iterator[str]:
    """The name of a display of our own."""
    number = next(n for n in DISPLAYS if not Path(f"/tmp/.X11-unix/X{n}").exists())
    command = ["Xvfb", f":{number}", "-screen", "0", "1280x800x24", "-nolisten", "tcp"]
    server = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    await_it("a display", Path(f"/tmp/.X11-unix/X{number}").exists)
    yield f":{number}"
    server.terminate()
    server.wait(PATIENCE)


@pytest.fixture
def thunderbird(house: Demo, screen: str, tmp_path: Path) -> Iterator[Marionette]:
    """The running program, its account not yet asked for anything."""
    profile, port = tmp_path / "profile", free_port()
    make_profile(house, profile, port)
    command = ["thunderbird", "--profile", str(profile), "--no-remote"]
    command += ["--marionette", "--remote-allow-system-access"]
    environ = {"HOME": str(tmp_path), "PATH": os.environ["PATH"], "DISPLAY": screen}
    environ |= {"LC_ALL": "C.UTF-8", "MOZ_CRASHREPORTER_DISABLE": "1"}
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(
            command, env=environ, stdout=log, stderr=log, start_new_session=True
        )
    try:
        control = Marionette(port)
        control.run(TOOLS + "server.password = args[0];", "secret")
        yield control
        control.quit()
        process.wait(PATIENCE)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, 9)
        process.wait()


def await_it(what: str, look: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not look():
        assert time.monotonic() < deadline, f"{what} did not come"
        time.sleep(0.1)


def maildir(house: Demo, mailbox: str = "") -> Path:
    return house.root / "mail" / "example.org" / "alice" / "Maildir" / mailbox


def deliver(house: Demo, subject: str) -> None:
    text = MESSAGE.format(subject)
    (maildir(house, "tmp") / subject).write_text(text)
    (maildir(house, "tmp") / subject).rename(maildir(house, "new") / subject)


def files(house: Demo, mailbox: str = "") -> dict[str, str]:
    """Subject to Maildir flags of what the server has on its disk."""
    found = {}
    for path in (maildir(house, mailbox) / "cur").iterdir():
        with suppress(FileNotFoundError):  # renamed meanwhile
            subject = path.read_text().split("Subject: ", 1)[1].partition("\n")[0].strip()
            found[subject] = path.name.partition(":2,")[2]
    return found


@pytest.mark.req("SC-006", "US5.1", "US5.2", "FR-038", "FR-042")
def test_thunderbird_lists_reads_flags_and_deletes(house: Demo, thunderbird: Marionette) -> None:
    run = thunderbird.run
    for subject in ("to-read", "to-flag", "to-delete"):
        deliver(house, subject)
    folders = run(
        TOOLS + "server.performExpand(null); await until(() => named('Inbox') && named('Trash'));"
        "await update(named('Inbox'));"
        "await until(() => server.rootFolder.descendants.length >= 6);"
        "return server.rootFolder.descendants.map(one => one.name);"
    )
    assert isinstance(folders, list)
    assert {"Sent", "Drafts", "Junk", "Trash", "Archive"} <= set(folders)
    listed = run(TOOLS + "return [...named('Inbox').messages].map(one => one.subject);")
    assert isinstance(listed, list)
    assert sorted(listed) == ["to-delete", "to-flag", "to-read"]

    body = run(
        TOOLS + "const uri = named('Inbox').getUriForMsg(find('to-read'));"
        "const service = MailServices.messageServiceFromURI(uri);"
        "return await new Promise((resolve, reject) => { let text = '';"
        "service.streamMessage(uri, {"
        "QueryInterface: ChromeUtils.generateQI(['nsIStreamListener']), onStartRequest() {},"
        "onDataAvailable(request, stream, offset, count) {"
        "const input = Cc['@mozilla.org/scriptableinputstream;1']"
        ".createInstance(Ci.nsIScriptableInputStream); input.init(stream);"
        "text += input.read(count); },"
        "onStopRequest(request, status) { resolve(text); } }, null, null, false, '', false); });"
    )
    assert "to-read text" in str(body)
    run(TOOLS + "named('Inbox').markMessagesRead([find('to-read')], true);")
    await_it("\\Seen", lambda: "S" in files(house)["to-read"])
    run(TOOLS + "named('Inbox').markMessagesFlagged([find('to-flag')], true);")
    await_it("\\Flagged", lambda: files(house)["to-flag"] == "F")

    run(
        TOOLS + "named('Inbox').deleteMessages("
        "[find('to-delete')], null, false, true, null, false);"
    )
    await_it("the message in Trash", lambda: set(files(house, ".Trash")) == {"to-delete"})
    await_it("an INBOX without it", lambda: set(files(house)) == {"to-read", "to-flag"})

    deliver(house, "pushed")  # IDLE: nobody asks for it
    run(TOOLS + "await until(() => find('pushed'));")
    path = next(path for path in maildir(house, "cur").iterdir() if path.name.startswith("to-flag"))
    path.rename(f"{path}S")
    run(TOOLS + "await until(() => find('to-flag').isRead);")
