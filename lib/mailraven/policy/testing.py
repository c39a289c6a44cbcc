"""What a table of tests is: names that rules use, each with words and a question to a message."""

from collections.abc import Callable

from mailraven.policy.view import View

Table = dict[str, tuple[str, Callable[[View], bool]]]
