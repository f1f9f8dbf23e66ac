"""One JSON object a line, for whatever collects the agent's output. Secrets never get here: nothing logs them."""

from __future__ import annotations

import datetime as dt
import json
import logging
from typing import TextIO

MAX_MESSAGE_CHARS = 4000
"""Longest message; texts of the other side end up in some."""


class LineFormatter(logging.Formatter):
    """``{"at": ..., "level": ..., "logger": ..., "message": ...}``, with ``error`` for a trace."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as one line."""
        at = dt.datetime.fromtimestamp(record.created, dt.UTC)
        line = {
            "at": at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage()[:MAX_MESSAGE_CHARS],
        }
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return json.dumps(line)


def configure(stream: TextIO, *, level: int = logging.INFO) -> None:
    """Send the agent's own log lines to ``stream``; libraries are heard from warnings on."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(LineFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("edge_agent").setLevel(level)
