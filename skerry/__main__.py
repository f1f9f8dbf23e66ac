"""``python -m skerry`` and the ``skerry`` script."""

from __future__ import annotations

import signal
import sys
from types import FrameType

from skerry.cli import run
from skerry.exit_codes import Terminated


def main() -> None:
    """Run the command line of this process and exit with its code. SIGTERM ends it as Ctrl-C does, cleaned up."""
    signal.signal(signal.SIGTERM, _terminated)
    sys.exit(run())


def _terminated(_number: int, _frame: FrameType | None) -> None:
    raise Terminated


if __name__ == "__main__":
    main()
