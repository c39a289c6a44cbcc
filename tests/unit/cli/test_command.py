"""The operator's command, as it is typed."""

import io
import json
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import pytest

from mailraven.auth.passwords import find_entry, matches, prepare
from mailraven.cli.main import main

TOP = Path(__file__).parents[3]
COMMAND = TOP / "bin" / "mailraven"


@dataclass
class Done:
    """How a command ended."""

    returncode: int
    stdout: str
    stderr: str


Run = Callable[..., Done]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A server that all tests of this file share; each test has an account of its own."""
    root = tmp_path_factory.mktemp("server")
    done = mailraven(root, "quickstart", "you@example.org", "--data", f"{root}/data")
    assert done.returncode == 0, done.stderr
    return root


@pytest.fixture
def run(root: Path) -> Run:
    return lambda *words, **more: mailraven(root, *words, **more)


def mailraven(
    root: Path, *words: str, stdin: str = "", environ: dict[str, str] | None = None
) -> Done:
    """The command in this process: starting Python a hundred times takes longer than the rest."""
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        patch.setattr("sys.stdin", io.StringIO(stdin))
        for name, value in (environ or {}).items():
            patch.setenv(name, value)
        try:
            code = main(["--etc", f"{root}/etc", *words])
        except SystemExit as end:  # argparse ends so
            code = int(end.code or 0)
    return Done(code, out.getvalue(), err.getvalue())


def logs_in(root: Path, local: str, password: str) -> bool:
    entry = find_entry(root / "data/domains/example.org/passwords", local)
    return entry is not None and matches(entry.argon2, prepare(password))


def good(done: Done) -> str:
    assert done.returncode == 0, done.stderr
    return done.stdout


def refused(done: Done, code: int = 1) -> str:
    assert done.returncode == code, done.stdout + done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    return done.stderr


def test_an_account_from_its_beginning_to_its_end(run: Run, root: Path) -> None:
    said = good(run("account", "add", "bob@example.org", "display_name=Bob Example"))
    password = said.split("shown once: ")[1].strip()
    assert logs_in(root, "bob", password)
    assert "bob@example.org" in good(run("account", "list"))
    good(run("account", "set", "bob@example.org", "quota=2G", "enabled=false"))
    facts = json.loads(good(run("account", "show", "--json", "bob@example.org")))
    assert facts["quota"] == 2 << 30
    assert facts["enabled"] is False
    assert 'display_name = "Bob Example"' in good(run("account", "show", "bob@example.org"))
    assert f"Its mail stays in {root}" in good(run("account", "remove", "bob@example.org"))
    assert "bob@example.org" not in good(run("account", "list", "example.org"))


def test_a_password_comes_from_standard_input_or_is_made(run: Run, root: Path) -> None:
    good(run("account", "add", "carol@example.org", "--ask", stdin="carols password\n"))
    assert logs_in(root, "carol", "carols password")
    assert good(run("account", "passwd", "carol@example.org", stdin="another password\n")) == ""
    assert logs_in(root, "carol", "another password")
    said = good(run("account", "passwd", "carol@example.org", "--generate"))
    assert logs_in(root, "carol", said.split("shown once: ")[1].strip())


def test_a_short_password_is_refused(run: Run) -> None:
    said = refused(run("account", "passwd", "you@example.org", stdin="short\n"))
    assert said == "mailraven: the password has fewer than 8 characters\n"


def test_a_domain_from_its_beginning_to_its_end(run: Run) -> None:
    good(run("domain", "add", "Example.NET", "description=the second"))
    listed = {one["domain"]: one for one in json.loads(good(run("domain", "list", "--json")))}
    assert listed["example.net"]["accounts"] == 0
    good(run("domain", "set", "example.net", "separator=-"))
    shown = good(run("domain", "show", "example.net"))
    assert 'separator = "-"' in shown
    assert 'description = "the second"' in shown
    assert "@ IN MX 10 mx.example.org." in good(run("domain", "dns", "example.net"))
    good(run("domain", "remove", "example.net"))
    assert "example.net" not in good(run("domain", "list"))


def test_an_alias_from_its_beginning_to_its_end(run: Run) -> None:
    good(run("alias", "add", "info@example.org", "you", "far@example.net"))
    assert good(run("alias", "show", "info@example.org")) == "you@example.org\nfar@example.net\n"
    good(run("alias", "set", "info@example.org", "you"))
    assert json.loads(good(run("alias", "list", "--json")))["info@example.org"] == [
        "you@example.org"
    ]
    assert "info@example.org" in good(run("alias", "list", "example.org"))
    good(run("alias", "remove", "info@example.org"))
    assert "not an alias" in refused(run("alias", "show", "info@example.org"))


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (("account", "add", "../x@example.org"), "is not an account name"),
        (("account", "add", "x@example.net"), "is not a domain of this server"),
        (("account", "add", "ü@example.org"), "is not an account name"),
        (("account", "add", "y" * 300 + "@example.org"), "is not an account name"),
        (("account", "add", "z@example.org", "quota"), "is not a setting"),
        (("account", "show", "nobody@example.org"), "is not an account"),
        (("account", "list", "example.net"), "is not a domain of this server"),
        (("account", "set", "you@example.org", "quotta=1"), "did you mean quota?"),
        (("account", "remove", "nobody@example.org"), "is not an account"),
        (("domain", "add", "../x"), "is not a domain name"),
        (("domain", "add", "bücher.example"), "write its ASCII form"),
        (("domain", "add", "example.org"), "already"),
        (("domain", "remove", "example.org"), "accounts; remove them first"),
        (("domain", "dns", "example.net"), "is not a domain of this server"),
        (("alias", "add", "postmaster@example.org", "you"), "is an alias already"),
        (("config", "show", "smtp.nonsense"), "is not a key"),
        (("log-level", "smtpd", "debug"), "smtpd is not running"),
    ],
)
def test_what_cannot_be_done_is_one_line_and_exit_code_1(
    run: Run, words: tuple[str, ...], what: str
) -> None:
    said = refused(run(*words))
    assert said.startswith("mailraven: ")
    assert what in said
    assert said.count("\n") == 1


@pytest.mark.parametrize("words", [(), ("account",), ("account", "ad"), ("log-level", "x", "y")])
def test_wrong_usage_is_exit_code_2(run: Run, words: tuple[str, ...]) -> None:
    refused(run(*words), 2)


def test_quickstart_overwrites_nothing(run: Run, root: Path) -> None:
    said = refused(run("quickstart", "you@example.org", "--data", f"{root}/data"))
    assert "nothing is overwritten" in said


def test_quickstart_prints_password_records_and_what_to_start(tmp_path: Path) -> None:
    said = good(mailraven(tmp_path, "quickstart", "a@b.example", "--data", f"{tmp_path}/data"))
    for part in ("Password:", "(shown once)", "$ORIGIN b.example.", "mailraven --etc", " run\n"):
        assert part in said


@pytest.mark.req("FR-005")
def test_config_show_tells_value_and_origin_of_every_key(run: Run, root: Path) -> None:
    said = good(run("config", "show", "--origin", environ={"MAILRAVEN_SMTP_WORKERS": "7"}))
    lines = said.splitlines()
    assert "smtp.workers = 7  # MAILRAVEN_SMTP_WORKERS" in lines
    assert any(line.startswith('hostname = "mx.example.org"  # /') for line in lines)
    assert 'smtp.message_size = "50M"  # default' in lines
    assert good(run("config", "show", "smtp.recipients")) == "smtp.recipients = 1000\n"


def test_config_show_hides_secrets(run: Run) -> None:
    environ = {"MAILRAVEN_QUEUE_SMARTHOST_PASSWORD": "hush"}
    said = good(run("config", "show", environ=environ))
    assert 'queue.smarthost_password = "(hidden)"' in said
    assert "hush" not in said


def test_config_check_is_silent_about_nothing(tmp_path: Path) -> None:
    etc = tmp_path / "etc"
    etc.mkdir()
    (etc / "mailraven.toml").write_text("[smtp]\nworkrs = 1\nmessage_size = 'x'\n")
    said = refused(mailraven(tmp_path, "config", "check"), 78)
    assert said == (
        f"mailraven: {etc}/mailraven.toml:2: smtp.workrs: unknown key (did you mean workers?)\n"
        f"mailraven: {etc}/mailraven.toml:3: smtp.message_size: 'x' is not a size (write 50M)\n"
    )


def test_config_check_reads_the_domains_too(tmp_path: Path) -> None:
    good(mailraven(tmp_path, "quickstart", "a@b.example", "--data", f"{tmp_path}/data"))
    assert "all is right" in good(mailraven(tmp_path, "config", "check"))
    accounts = tmp_path / "data/domains/b.example/accounts"
    (accounts / "a.toml").write_text("# mine\nqutoa = 1\n")
    said = refused(mailraven(tmp_path, "config", "check"), 78)
    assert said == f"mailraven: {accounts}/a.toml:2: qutoa: unknown key (did you mean quota?)\n"


def test_config_example_is_the_file_in_etc(run: Run) -> None:
    assert good(run("config", "example")) == (TOP / "etc" / "mailraven.toml").read_text()


def test_status_of_a_server_that_is_down_names_every_daemon(run: Run) -> None:
    done = run("status")
    assert done.returncode == 1
    lines = done.stdout.splitlines()
    assert lines[0].startswith("mx.example.org  MailRaven ")
    for daemon in ("smtpd", "imapd", "queued", "authd", "limitd"):
        assert any(line.startswith(daemon) and "MISSING" in line for line in lines)
    assert {one["daemon"] for one in json.loads(run("status", "--json").stdout)} >= {"smtpd"}


@pytest.mark.parametrize("mistake", ["[smtp]\nworkers = 0\n", "[smtp]\nworkers = \n", "[smtp\n"])
def test_status_works_with_a_broken_configuration_and_names_the_mistake(
    tmp_path: Path, mistake: str
) -> None:
    (tmp_path / "etc").mkdir()
    paths = f'[paths]\nrun = "{tmp_path}/run"\n'
    (tmp_path / "etc" / "mailraven.toml").write_text(paths + mistake)
    done = mailraven(tmp_path, "status")
    assert done.returncode == 1
    assert f"smtpd is not running ({tmp_path}/run/smtpd.sock)" in done.stdout
    assert f"edited but not in force: {tmp_path}/etc/mailraven.toml:" in done.stdout


def test_reload_of_a_server_that_is_down_is_exit_code_1(run: Run) -> None:
    done = run("reload")
    assert done.returncode == 1
    assert "smtpd is not running" in done.stdout


def test_a_folder_that_may_not_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file")
    said = refused(mailraven(tmp_path, "quickstart", "a@b.example", "--data", f"{tmp_path}/data/x"))
    assert said == f"mailraven: {tmp_path}/data/x: Not a directory\n"


@pytest.mark.req("FR-014")
def test_spam_score_reads_paths_and_answers_each_with_a_line_of_json(
    run: Run, tmp_path: Path
) -> None:
    letter = tmp_path / "a.eml"
    letter.write_bytes(
        b"From: Xenia <x@example.net>\nTo: bob@example.org\nSubject: lunch\n"
        b"Date: Mon, 23 Nov 2026 09:00:00 +0000\nMessage-ID: <1@example.net>\n\nat noon?\n"
    )
    done = run("spam", "score", stdin=f"{letter}\n{tmp_path}/none.eml\n")
    scored, missing = map(json.loads, done.stdout.splitlines())
    assert scored["path"] == str(letter)
    assert scored["verdict"] == "ham"
    assert scored["score"] == round(sum(one["points"] for one in scored["reasons"]), 2)
    assert "No such file" in missing["error"]


@pytest.mark.req("EC2")
def test_spam_explain_tells_every_reason(run: Run, tmp_path: Path) -> None:
    letter = tmp_path / "a.eml"
    letter.write_bytes(b"From: a\nDate: Mon, 6 Jun 2022 06:09:05 -1600\n\nhello\n")
    done = run("spam", "explain", str(letter))
    assert "a time zone that does not exist" in done.stdout
    assert "header-odd-zone" in done.stdout


def test_config_check_finds_mistakes_in_rules(run: Run, root: Path) -> None:
    folder = root / "etc" / "spam.d"
    folder.mkdir()
    mine = folder / "mine.toml"
    mine.write_text("# ours\n[odd]\nsubject = '('\n")
    done = run("config", "check")
    assert done.returncode == 78
    assert f"{mine}:3: odd: not a pattern: missing ): (" in done.stderr
    mine.unlink()
    assert run("config", "check").returncode == 0


@pytest.mark.parametrize(
    "words", [["status"], ["account", "add", "new@example.org"], ["queue", "list"]]
)
def test_a_slip_in_etc_is_told_and_means_no_other_server(tmp_path: Path, words: list[str]) -> None:
    done = mailraven(tmp_path, *words)
    assert done.returncode == 1
    assert done.stderr == f"mailraven: --etc {tmp_path}/etc: there is no such folder\n"
