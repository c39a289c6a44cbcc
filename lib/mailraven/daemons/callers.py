"""Which users' processes may ask authd and limitd."""

import os
import pwd
from contextlib import suppress

CALLERS = ("root", "mailraven", "mailraven-web")  # users that the other daemons may run as


def caller_uids() -> frozenset[int]:
    """Our own user's, root's and those of the other daemons, as far as they exist here."""
    uids = {os.geteuid()}
    for name in CALLERS:
        with suppress(KeyError):
            uids.add(pwd.getpwnam(name).pw_uid)
    return frozenset(uids)
