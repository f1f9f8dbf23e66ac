"""The process that compiles one context: ``python -P -m compiler.qnn.compile_context FOLDER``.

It compiles exactly one, since a context binary holds a number that counts the models of its process. Nodes that the
device does not take are left to the CPU here; whether that is allowed is decided by whoever reads the report.
"""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec

from compiler.qnn.job import CONTEXT_FILE, JOB_FILE, MODEL_FILE, REPORT_FILE, ContextJob, ContextReport
from edge_runtime.one_line import one_line
from edge_runtime.qnn import plugin

BEST_GRAPH = "3"
"""``htp_graph_finalization_optimization_mode``: the longest preparation, the best graph; 0.5 s for MobileNetV2."""


def compile_context(folder: Path) -> ContextReport:
    """Compile the model of the folder; the context lies beside it then."""
    job = msgspec.json.decode((folder / JOB_FILE).read_bytes(), type=ContextJob)
    provider = {
        "htp_arch": job.htp_arch,
        "soc_model": job.soc_model,
        "htp_graph_finalization_optimization_mode": BEST_GRAPH,
    }
    entries = {
        "ep.context_enable": "1",
        "ep.context_embed_mode": "1",
        "ep.context_file_path": str(folder / CONTEXT_FILE),
    }
    settings = plugin.session_options(provider, entries, threads=1, log_level=plugin.LOG_WARNINGS)
    # From bytes: with a path, the path becomes part of the name of the context, and so of its bytes.
    model = (folder / MODEL_FILE).read_bytes()
    try:
        session = plugin.onnxruntime.InferenceSession(model, settings)
    except plugin.ERRORS as error:
        return ContextReport(error=one_line(error))
    return ContextReport(nodes=tuple(plugin.assigned(session)))


if __name__ == "__main__":
    place = Path(sys.argv[1])
    (place / REPORT_FILE).write_bytes(msgspec.json.encode(compile_context(place)))
