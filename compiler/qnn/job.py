"""What the process that compiles one context is given, and what it reports. Files of one folder."""

from __future__ import annotations

import msgspec

JOB_FILE = "job.json"
MODEL_FILE = "model.onnx"
CONTEXT_FILE = "context.onnx"
REPORT_FILE = "report.json"


class ContextJob(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The target, by the toolchain's own names: ``htp_arch`` such as "73", ``soc_model`` such as "43"."""

    htp_arch: str
    soc_model: str


class ContextReport(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """``nodes`` are provider, operator and name of each node; ``error`` is the toolchain's refusal, if it refused."""

    nodes: tuple[tuple[str, str, str], ...] = ()
    error: str = ""
