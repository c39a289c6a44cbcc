"""The openspf.org test suite of RFC 7208, from the source distribution of pyspf.

It is not ours, so it is not kept here: the first test run fetches it by pip, with its hash, into
the virtual environment.
"""

import subprocess
import sys
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

from mailraven.senderauth.look_ups import NoAnswer, RecordKind
from mailraven.senderauth.spf import Records

SOURCE = (
    "pyspf==2.0.14 --hash=sha256:57a7ef01bda090173aafb6af0106251686ed73f03db4e911fcd34c57fc347186"
)
MEMBER = "pyspf-2.0.14/test/rfc7208-tests.yml"
PLACE = Path(sys.prefix) / "share" / "mailraven-tests" / "rfc7208-tests.yml"


@dataclass(frozen=True)
class Case:
    scenario: str
    name: str
    client: str
    helo: str
    reverse_path: str
    results: tuple[str, ...]
    zone: dict[str, list[object]]

    def look_up(self, name: str, kind: RecordKind) -> Records:
        """The records of a name, aliases followed."""
        for _ in range(10):
            entries = self.zone.get(name.lower(), [])
            records = [one[kind] for one in entries if isinstance(one, dict) and kind in one]
            if records == ["NONE"]:
                records = []
            if records:
                return tuple(_value(kind, record) for record in records)
            if "TIMEOUT" in entries:
                raise NoAnswer(name)
            alias = [one["CNAME"] for one in entries if isinstance(one, dict) and "CNAME" in one]
            if not alias:
                return ()
            name = str(alias[0]).rstrip(".")
        return ()


def _value(kind: RecordKind, record: object) -> str | bytes | tuple[int, str]:
    if kind == "TXT":
        parts = record if isinstance(record, list) else [record]
        return b"".join(str(part).encode("latin-1") for part in parts)
    if kind == "MX":
        assert isinstance(record, list)
        return int(record[0]), str(record[1]).rstrip(".")
    return str(record).rstrip(".")


def fetch() -> Path:
    """The suite's file, fetched if it is not there yet."""
    if not PLACE.exists():
        PLACE.parent.mkdir(parents=True, exist_ok=True)
        wanted = PLACE.with_name("requirements.txt")
        wanted.write_text(SOURCE + "\n")
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
        command += ["--no-binary", ":all:", "--require-hashes", "-r", wanted, "-d", PLACE.parent]
        subprocess.run([str(word) for word in command], check=True, capture_output=True)
        with tarfile.open(PLACE.with_name("pyspf-2.0.14.tar.gz")) as archive:
            file = archive.extractfile(MEMBER)
            assert file is not None
            unfinished = PLACE.with_suffix(".new")
            unfinished.write_bytes(file.read())
        unfinished.rename(PLACE)
    return PLACE


def cases() -> Iterator[Case]:
    """Every case of every scenario."""
    for document in yaml.safe_load_all(fetch().read_text(encoding="utf-8")):
        zone = {name.lower(): _records(entries) for name, entries in document["zonedata"].items()}
        for name, test in document["tests"].items():
            results = test["result"]
            yield Case(
                document["description"],
                name,
                test["host"],
                test["helo"],
                test["mailfrom"],
                tuple(results) if isinstance(results, list) else (results,),
                zone,
            )


def _records(entries: list[object]) -> list[object]:
    """With a TXT record beside each SPF record, unless the zone says what TXT there is."""
    has_text = any(isinstance(one, dict) and "TXT" in one for one in entries)
    if has_text:
        return entries
    texts = [{"TXT": one["SPF"]} for one in entries if isinstance(one, dict) and "SPF" in one]
    return [*entries, *texts]
