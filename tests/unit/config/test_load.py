"""Where the values of the configuration come from, and what they become."""

import tomllib
from ipaddress import ip_network
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailraven.config.example import default_of, example_toml
from mailraven.config.fields import Field, fields_of, sections_of
from mailraven.config.load import load, load_leniently, load_with_origins
from mailraven.config.schema import Config
from mailraven.config.toml_text import key_lines
from mailraven.config.units import DURATION, SIZE, split_endpoint
from mailraven.mail.errors import ConfigErrors

TOP = Path(__file__).parents[3]
KEYS = [("", one) for one in fields_of(Config)] + [
    (f"{name}.", one) for name, section in sections_of(Config).items() for one in fields_of(section)
]
HOST = {"MAILRAVEN_HOSTNAME": "mx.example.org"}


def written(etc: Path, text: str) -> Path:
    (etc / "mailraven.toml").write_text(text)
    return etc


def mistakes(etc: Path, environ: dict[str, str]) -> list[str]:
    with pytest.raises(ConfigErrors) as caught:
        load(etc, environ)
    return [str(error) for error in caught.value.errors]


def test_without_a_file_everything_has_its_default(tmp_path: Path) -> None:
    config = load(tmp_path, HOST)
    assert config.smtp.listen == ("0.0.0.0:25", "[::]:25")
    assert config.smtp.message_size == 50 * 1024 * 1024
    assert config.queue.lifetime == 5 * 24 * 3600
    assert config.paths.domains == Path("/var/lib/mailraven/domains")


def test_paths_follow_from_other_keys(tmp_path: Path) -> None:
    config = load(written(tmp_path, 'paths = { data = "/srv/mail", run = "/srv/run" }'), HOST)
    assert config.smtp.lmtp == Path("/srv/run/lmtp.sock")
    assert config.tls.certificate == Path("/srv/mail/tls/mx.example.org/fullchain.pem")
    assert config.tls.key == Path("/srv/mail/tls/mx.example.org/key.pem")


def test_without_a_host_name_the_machine_gives_its_own(tmp_path: Path) -> None:
    assert load(tmp_path, {}).hostname


@pytest.mark.req("FR-004")
def test_every_port_and_address_can_be_chosen(tmp_path: Path) -> None:
    text = """
    [smtp]
    listen = ["192.0.2.1:2525", "[2001:db8::1]:2525"]
    submission = ["127.0.0.1:1587"]
    submissions = []
    [imap]
    listen = ["127.0.0.1:1143"]
    listen_tls = ["[::1]:1993"]
    [http]
    listen = ["127.0.0.1:8080"]
    """
    config = load(written(tmp_path, text), HOST)
    assert config.smtp.listen == ("192.0.2.1:2525", "[2001:db8::1]:2525")
    assert config.smtp.submissions == ()
    assert config.imap.listen_tls == ("[::1]:1993",)
    assert config.http.listen == ("127.0.0.1:8080",)


@pytest.mark.req("FR-005")
@pytest.mark.parametrize(("section", "key"), KEYS, ids=[at + one.name for at, one in KEYS])
def test_every_key_can_come_from_the_environment(tmp_path: Path, section: str, key: Field) -> None:
    samples = {
        "score": "7.5",
        "text": "/a b",
        "secret": "s3cret#\"'",
        "host name": "mx.example.net",
        "size": "7M",
        "duration": "7h",
        "number": "7",
        "port": "77",
        "true | false": "no" if key.default else "yes",
        "path": "/srv/x",
        "host:port": "relay.example:77",
        "list of address:port": "127.0.0.1:77, [::1]:77",
        "list of addresses": "192.0.2.7,2001:db8::7",
        "list of networks": "192.0.2.0/24",
        "list of rates": "100/hour",
        "table of domain = host:port": "example.com=127.0.0.1:77, *=[::1]:25",
        "table of lists": "bl.example=refuse, wl.example=-2",
        "table of domain = word": "example.com=verified, example.net=none",
        "table of domain = family": "example.com=ipv4, *=ipv6-first",
        "table of address = host name": "192.0.2.7=mx1.example.org, 2001:db8::7=mx1.example.org",
        "table of smarthosts": "office=smtp.example.com:25, press=[::1]:25",
        "table of filters": "rspamd=127.0.0.1:11332, av=/run/av",
    }
    text = samples.get(key.unit.name) or key.unit.name.rpartition(" | ")[2]
    variable = f"MAILRAVEN_{section}{key.name}".upper().replace(".", "_")
    companions = {
        "MAILRAVEN_QUEUE_SMARTHOST": "relay.example:25",
        "MAILRAVEN_QUEUE_SMARTHOST_PASSWORD": "x",
        "MAILRAVEN_QUEUE_LIFETIME": "8h",
    }
    loaded = load_with_origins(tmp_path, {**companions, variable: text})
    holder = getattr(loaded.config, section.rstrip(".")) if section else loaded.config
    assert getattr(holder, key.name) == key.unit.parse(key.unit.from_text(text))
    assert loaded.origin(section + key.name) == variable


@pytest.mark.req("FR-005")
def test_the_environment_wins_over_the_file_and_the_origin_says_so(tmp_path: Path) -> None:
    written(tmp_path, "[smtp]\nworkers = 3\nrecipients = 9\n")
    loaded = load_with_origins(tmp_path, {"MAILRAVEN_SMTP_WORKERS": "5"})
    assert loaded.config.smtp.workers == 5
    assert loaded.origin("smtp.workers") == "MAILRAVEN_SMTP_WORKERS"
    assert loaded.origin("smtp.recipients") == f"{tmp_path}/mailraven.toml:3"
    assert loaded.origin("imap.workers") == "default"


@pytest.mark.req("FR-005")
def test_a_secret_can_come_from_a_file(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("hush \n")
    environ = {"MAILRAVEN_QUEUE_SMARTHOST_PASSWORD_FILE": str(secret)}
    assert load(tmp_path, environ).queue.smarthost_password == "hush "


def test_a_secret_file_that_is_not_there_is_a_mistake(tmp_path: Path) -> None:
    environ = {"MAILRAVEN_QUEUE_SMARTHOST_PASSWORD_FILE": f"{tmp_path}/none"}
    assert mistakes(tmp_path, environ) == [
        "MAILRAVEN_QUEUE_SMARTHOST_PASSWORD_FILE:0: "
        f"cannot read {tmp_path}/none: No such file or directory"
    ]


def test_a_secret_is_in_no_message(tmp_path: Path) -> None:
    written(tmp_path, '[queue]\nsmarthost_password = "hush\\n"')
    assert not any("hush" in line for line in mistakes(tmp_path, {}))


def test_a_misspelt_variable_is_a_mistake(tmp_path: Path) -> None:
    assert mistakes(tmp_path, {"MAILRAVEN_SMTP_WORKRES": "3", "MAILRAVEN_IMAP_WORKERS": "x"}) == [
        "MAILRAVEN_IMAP_WORKERS:0: imap.workers: 'x' is not a number (write 1)",
        "MAILRAVEN_SMTP_WORKRES:0: unknown key (did you mean MAILRAVEN_SMTP_WORKERS?)",
    ]


def test_variables_that_a_container_platform_sets_are_no_mistake(tmp_path: Path) -> None:
    load(
        tmp_path,
        {
            "MAILRAVEN_SMTP_SERVICE_HOST": "10.0.0.1",
            "MAILRAVEN_SMTP_PORT": "tcp://10.0.0.1:25",
            "MAILRAVEN_SMTP_PORT_25_TCP_ADDR": "10.0.0.1",
            "MAILRAVEN_ETC": "/etc/mailraven",
            "MAILRAVEN_READY_FD": "3",
        },
    )


def test_a_mistake_in_the_file_counts_although_the_environment_overrides_it(tmp_path: Path) -> None:
    written(tmp_path, "[smtp]\nworkers = 0\n")
    assert len(mistakes(tmp_path, {"MAILRAVEN_SMTP_WORKERS": "5"})) == 1


def test_a_folder_in_place_of_the_file_is_a_mistake(tmp_path: Path) -> None:
    (tmp_path / "mailraven.toml").mkdir()
    assert mistakes(tmp_path, {}) == [f"{tmp_path}/mailraven.toml:0: cannot read: Is a directory"]


def test_the_example_in_etc_is_printed_from_the_schema() -> None:
    assert (TOP / "etc" / "mailraven.toml").read_text() == example_toml()


def test_the_example_changes_nothing(tmp_path: Path) -> None:
    assert load(written(tmp_path, example_toml()), HOST) == load(tmp_path / "none", HOST)


@pytest.mark.parametrize(("section", "key"), KEYS, ids=[at + one.name for at, one in KEYS])
def test_every_key_is_in_the_example_with_its_default(section: str, key: Field) -> None:
    parts = example_toml().split("\n[")
    part = (
        next(p for p in parts if p.startswith(f"{section.rstrip('.')}]")) if section else parts[0]
    )
    line = next(line for line in part.splitlines() if line.startswith(f"# {key.name} = "))
    value = tomllib.loads(line[2:])[key.name]
    assert value == default_of(key)
    assert key.unit.parse(value) == key.default or key.sample


def test_networks_become_networks(tmp_path: Path) -> None:
    written(tmp_path, '[limits]\nexempt = ["127.0.0.0/8", "::1"]')
    expected = (ip_network("127.0.0.0/8"), ip_network("::1/128"))
    assert load(tmp_path, {}).limits.exempt == expected


@pytest.mark.parametrize(
    ("text", "octets"), [("0", 0), ("1", 1), ("3K", 3072), ("50M", 50 << 20), ("2T", 2 << 40)]
)
def test_sizes(text: str, octets: int) -> None:
    assert SIZE.parse(text) == octets


@pytest.mark.parametrize(
    ("text", "seconds"), [("30s", 30), ("1h30m", 5400), ("5d", 432000), ("2w", 1209600), ("0s", 0)]
)
def test_durations(text: str, seconds: int) -> None:
    assert DURATION.parse(text) == seconds


@given(st.integers(min_value=0, max_value=1 << 50))
def test_what_is_shown_can_be_read_again(number: int) -> None:
    for unit in (SIZE, DURATION):
        assert unit.parse(unit.show(number)) == number


@pytest.mark.parametrize(
    ("text", "expected"),
    [("127.0.0.1:25", ("127.0.0.1", 25)), ("[::1]:465", ("::1", 465)), ("mx.a:1", ("mx.a", 1))],
)
def test_endpoints(text: str, expected: tuple[str, int]) -> None:
    assert split_endpoint(text) == expected


def test_lines_of_keys_are_found_in_any_style() -> None:
    text = 'a = 1\nb.c = [\n 1,\n]\n[ d . "e.f" ]\n\'g\' = """\nh = 1\n"""\ni=2\n[[j]]\nk=1'
    assert key_lines(text) == {
        ("a",): 1,
        ("b", "c"): 2,
        ("d", "e.f"): 5,
        ("d", "e.f", "g"): 6,
        ("d", "e.f", "i"): 9,
        ("j",): 10,
        ("j", "k"): 11,
    }


@given(st.text(alphabet="ab=.\"'[]{}#\n \\,1", max_size=60))
def test_any_text_gives_a_config_or_mistakes(
    tmp_path_factory: pytest.TempPathFactory, text: str
) -> None:
    etc = tmp_path_factory.mktemp("etc")
    load_leniently(written(etc, text), {})
    try:
        load(etc, {})
    except ConfigErrors as error:
        assert error.errors
