"""A message from a mailbox, as it was before this server delivered it."""

import re

from mailraven.mail.headers import split_message
from mailraven.policy.border import HEADER_LIMIT, lift_border
from mailraven.policy.facts import Facts
from mailraven.policy.spam_headers import LOOK_ALIKES

_OURS = LOOK_ALIKES | {b"delivered-to", b"authentication-results"}
_FIELD = re.compile(rb"([!-9;-~]++)[ \t]*+:.*+(?:\n[ \t].*+)*+\n?")


def as_it_came(message: bytes) -> tuple[Facts, bytes]:
    """What the uppermost hop tells, and the octets that a verdict was given on: without the fields
    that delivery puts atop."""
    facts, lifted = lift_border(message)
    header, _ = split_message(lifted[:HEADER_LIMIT])
    at = 0
    while match := _FIELD.match(header, at):
        if match[1].lower() not in _OURS:
            break
        at = match.end()
    return facts, lifted[at:]
