"""What the schema says about each key, as plain values: the only place that reads annotations."""

from dataclasses import dataclass
from functools import cache
from typing import get_type_hints

from msgspec import Meta, Struct
from msgspec.structs import fields as struct_fields

from mailraven.config.units import SECRET, Unit


@dataclass(frozen=True, slots=True)
class Field:
    """One key; `sample` stands for the default where that follows from others."""

    name: str
    unit: Unit
    default: object
    help: str
    sample: str

    @property
    def secret(self) -> bool:
        return self.unit is SECRET


@cache
def fields_of(struct: type[Struct]) -> tuple[Field, ...]:
    """The keys of a struct in their order; members without a unit (sections) are left out."""
    hints = get_type_hints(struct, include_extras=True)
    found = []
    for member in struct_fields(struct):
        metas = [one for one in _metadata(hints[member.name]) if isinstance(one, Meta)]
        extra = {key: value for meta in metas for key, value in (meta.extra or {}).items()}
        if "unit" not in extra:
            continue
        words = "".join(meta.description or "" for meta in metas)
        default = _default_of(struct, member.name)
        found.append(Field(member.name, extra["unit"], default, words, extra.get("sample", "")))
    return tuple(found)


@cache
def sections_of(struct: type[Struct]) -> dict[str, type[Struct]]:
    """The members that are structs themselves: the TOML tables."""
    hints = get_type_hints(struct)
    return {
        name: hint
        for name, hint in hints.items()
        if isinstance(hint, type) and issubclass(hint, Struct)
    }


def _metadata(hint: object) -> tuple[object, ...]:
    metadata = getattr(hint, "__metadata__", ())
    return metadata if isinstance(metadata, tuple) else ()


def _default_of(struct: type[Struct], name: str) -> object:
    default: object = getattr(struct(), name)
    return default
