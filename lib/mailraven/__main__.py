"""`python -m mailraven` and bin/mailraven: the one place that knows the command and the daemons."""

import sys

from mailraven.cli.main import main as command
from mailraven.cli.run import RunOptions


def start(options: RunOptions) -> int:
    """Run the daemons in the foreground."""
    from mailraven.daemons.run import main as run  # the other commands need no daemon

    return run(options)


def main() -> int:
    """The console command `mailraven`."""
    return command(sys.argv[1:], start)


if __name__ == "__main__":
    sys.exit(main())
