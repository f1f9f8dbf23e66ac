"""The agent's serving application with one model, as a process: ``python -m benchmarks.serve NAME MODELS_DIR``.

It writes its port as one line and serves until its standard input closes.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from benchmarks.subjects import Subject, find_subject
from benchmarks.until_closed import serve_until_closed
from edge_agent.models import ModelTable, Served
from edge_agent.serving.app import build_app, build_runner
from edge_agent.telemetry.recorder import Recorder
from edge_bundle.digest import sha256_digest


def served(subject: Subject) -> Served:
    """The subject as the agent's table holds it; its digests stand for no real release."""
    manifest = subject.manifest()
    return Served(
        name=manifest.name,
        version=manifest.version,
        variant_digest=sha256_digest(manifest.model_digest.encode()),
        bundle_digest=sha256_digest(manifest.contract_digest.encode()),
        model_digest=manifest.model_digest,
        contract=subject.contract,
        contract_digest=manifest.contract_digest,
        manifest=manifest,
        proof=None,
        engine=subject.open(),
    )


async def serve(subject: Subject) -> None:
    """Serve until standard input ends."""
    table = ModelTable()
    table.activate(served(subject))
    await serve_until_closed(build_runner(build_app(table, Recorder())))


if __name__ == "__main__":
    name, models = sys.argv[1:]
    asyncio.run(serve(find_subject(name, Path(models))))
