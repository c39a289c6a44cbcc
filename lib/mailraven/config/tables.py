"""Tables of the configuration whose keys are names of the operator's: read in one way."""

from collections.abc import Callable


def table_of(
    form: str, parse_key: Callable[[str], str], parse_value: Callable[[object], str]
) -> Callable[[object], dict[str, str]]:
    """A reader of tables; `form` shows one entry to people.

    It raises ValueError with (key, sentence) for each mistake.
    """

    def parse(value: object) -> dict[str, str]:
        if not isinstance(value, dict):
            said = str(value).lower() if isinstance(value, bool) else repr(value)
            raise ValueError(f"{said} is not a table of {form}")
        found: dict[str, str] = {}
        mistakes: list[tuple[str, str]] = []
        for key, one in value.items():
            try:
                found[parse_key(key)] = parse_value(one)
            except ValueError as error:
                mistakes += [(key, str(what)) for what in error.args]
        if mistakes:
            raise ValueError(*mistakes)
        return found

    return parse
