"""What a node asks of a variant before it serves: where it runs, and how far its answers may be off."""

from __future__ import annotations

import platform
from pathlib import Path

import msgspec
import pytest

from edge_agent.activate import prove
from edge_bundle.errors import GoldenMismatchError, PlacementError
from edge_bundle.manifest import NumericClass
from edge_bundle.proof import Execution, MeasuredOn, PlacementProof, Proof
from edge_runtime.wasm.runtime import WASMTIME_VERSION
from hardware_profiles.detect import detect_cpu
from hardware_profiles.same_host import flags_digest
from tests.edge_agent.wasm_release import wasm_variant

CPU = detect_cpu()
HERE = MeasuredOn(
    arch=platform.machine().lower(),
    cpu=CPU.model or platform.machine(),
    cpu_flags_digest=flags_digest(CPU.flags),
    cores=1,
    os="linux 1.0",
    runtime="wasm",
    runtime_version=WASMTIME_VERSION,
    threads=1,
)

ELSEWHERE = [
    pytest.param({"arch": "riscv64"}, id="another-architecture"),
    pytest.param({"cpu": "6502"}, id="another-cpu"),
    pytest.param({"cpu_flags_digest": flags_digest(["sse"])}, id="other-flags"),
    pytest.param({"cpu_flags_digest": ""}, id="flags-unknown"),
    pytest.param({"runtime_version": "0.1"}, id="another-runtime-version"),
    pytest.param({"threads": 2}, id="another-thread-count"),
    pytest.param({"execution": Execution.EMULATOR}, id="proven-in-an-emulator"),
]


def _proven_on(measured: MeasuredOn, proof: Proof) -> Proof:
    return msgspec.structs.replace(proof, measured_on=measured)


def test_not_a_bit_of_a_host_exact_variant_changes_where_it_was_proven(tmp_path: Path) -> None:
    with pytest.raises(GoldenMismatchError, match=r"not one bit may differ"):
        prove(
            wasm_variant(
                tmp_path / "wrong",
                numeric_class=NumericClass.HOST_EXACT,
                off_by_one_bit=True,
                edit=lambda proof: _proven_on(HERE, proof),
            )
        )


@pytest.mark.parametrize("change", ELSEWHERE)
def test_elsewhere_the_contract_s_tolerance_holds(tmp_path: Path, change: dict[str, object]) -> None:
    variant = wasm_variant(
        tmp_path,
        numeric_class=NumericClass.HOST_EXACT,
        off_by_one_bit=True,
        edit=lambda proof: _proven_on(msgspec.structs.replace(HERE, **change), proof),
    )
    prove(variant).engine.close()


def test_an_approximate_variant_has_the_tolerance_everywhere(tmp_path: Path) -> None:
    variant = wasm_variant(
        tmp_path,
        numeric_class=NumericClass.APPROXIMATE,
        off_by_one_bit=True,
        edit=lambda proof: _proven_on(HERE, proof),
    )
    prove(variant).engine.close()


def test_a_proven_placement_is_asked_for(tmp_path: Path) -> None:
    placement = PlacementProof(device="npu", nodes=7, on_device=7)
    variant = wasm_variant(tmp_path, edit=lambda proof: msgspec.structs.replace(proof, placement=placement))
    with pytest.raises(PlacementError, match="expected 7 of 7 nodes on npu, 0 elsewhere"):
        prove(variant)
