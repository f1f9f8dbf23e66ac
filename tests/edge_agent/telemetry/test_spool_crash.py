"""kill -9 in the middle of writing: whatever ``append`` returned for is there afterwards, whole, and numbered once."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

from edge_agent.telemetry.batch import decode_batch
from edge_agent.telemetry.spool import Spool
from tests.edge_agent.telemetry.records import serving_record

_WRITER = """
import sys
from pathlib import Path
from edge_agent.telemetry.spool import Priority, Spool
from tests.edge_agent.telemetry.records import serving_record
spool = Spool(Path(sys.argv[1]), node_id="node-1", boot_id=sys.argv[2])
while True:
    sys.stdout.write(f"{spool.append(serving=[serving_record(5)], priority=Priority.SERVING)}\\n")
    sys.stdout.flush()
"""
ROUNDS = 4
ROOT = Path(__file__).parents[3]


def _write_until_killed(path: Path, boot: str, count: int) -> list[int]:
    command = [sys.executable, "-c", _WRITER, str(path), boot]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT, text=True) as process:
        assert process.stdout is not None
        promised = [int(process.stdout.readline()) for _ in range(count)]
        process.send_signal(signal.SIGKILL)
        promised += [int(line) for line in process.stdout if line.endswith("\n")]
    assert process.returncode == -signal.SIGKILL
    return promised


def test_what_was_promised_survives_kill_9(tmp_path: Path) -> None:
    path = tmp_path / "spool.db"
    promised: dict[int, str] = {}
    for index in range(ROUNDS):
        for sequence in _write_until_killed(path, f"boot-{index}", 5 + 7 * index):
            assert sequence not in promised
            promised[sequence] = f"boot-{index}"
    found: dict[int, str] = {}
    with Spool(path, node_id="node-1", boot_id="last", clock=lambda: 0.0) as spool:
        assert not spool.damaged
        while (item := spool.peek()) is not None:
            batch = decode_batch(item.payload)
            assert (batch.sequence, batch.serving) == (item.sequence, (serving_record(5),))
            found[item.sequence] = batch.boot_id
            spool.delete(item.sequence)
    assert promised.items() <= found.items()
    assert len(found) - len(promised) <= ROUNDS  # at most one stored but not yet promised per kill
