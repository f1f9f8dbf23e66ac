"""The agent's serving application with one model, as a process: ``python -m benchmarks.serve NAME MODELS_DIR``.

It writes its port as one line and serves until its standard input closes.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from aiohttp import web

from benchmarks.subjects import Subject, find_subject
from edge_agent.models import ModelTable, Served
from edge_agent.serving.app import build_app
from edge_agent.telemetry.recorder import Recorder
from edge_bundle.digest import sha256_digest

HOST = "127.0.0.1"


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
    runner = web.AppRunner(build_app(table, Recorder()), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, HOST, 0).start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    await runner.cleanup()


if __name__ == "__main__":
    name, models = sys.argv[1:]
    asyncio.run(serve(find_subject(name, Path(models))))
