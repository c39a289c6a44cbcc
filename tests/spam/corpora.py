"""The corpora that are measured on, which lie beside this repository and are no part of it."""

import importlib.util
import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType


@dataclass(frozen=True, slots=True)
class Labelled:
    """A message in the neutral view; `kind` is its source, parted where mail of one source differs."""

    kind: str
    is_spam: bool
    message: bytes
    source: str = ""
    id: str = ""
    date: str = ""
    label: str = ""
    group: str = ""


def evaluator(corpora: Path) -> ModuleType:
    """evaluate.py of the corpora, as a module."""
    sys.dont_write_bytecode = True
    spec = importlib.util.spec_from_file_location("evaluate", corpora / "evaluate.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def read_split(corpora: Path, split: str) -> list[Labelled]:
    """The messages of a split, without those that have no right answer."""
    evaluate = evaluator(corpora)
    return [
        Labelled(
            f"{row['source']}-{row['group']}",
            row["label"] == "spam",
            evaluate.neutral(raw, row["source"], row["id"]),
            row["source"],
            row["id"],
            row["date"],
            row["label"],
            row["group"],
        )
        for row, raw in evaluate.messages(split)
        if row["label"] != "gray"
    ]
