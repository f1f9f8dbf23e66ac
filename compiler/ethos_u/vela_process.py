"""Vela as a library call, in a process of its own: ``python -P -m compiler.ethos_u.vela_process FOLDER``.

It reads ``arguments.json`` (a list of Vela's own arguments) from the folder and works there.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from ethosu.vela import vela

ARGUMENTS = "arguments.json"


def run(folder: Path) -> int:
    """Vela's exit status; 1 where it refuses its input."""
    os.chdir(folder)
    status = vela.main(json.loads(Path(ARGUMENTS).read_text()))
    return int(status or 0)


if __name__ == "__main__":
    sys.exit(run(Path(sys.argv[1])))
