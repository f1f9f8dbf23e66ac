"""Arm Ethos-U: the file that LiteRT runs, compiled further by Vela for the NPU of a microcontroller.

Nothing here runs what Vela writes. What is proven is the file before Vela (``stand_in``), run by LiteRT, from which the
NPU may differ by a step where it rounds; latency and memory are Vela's estimates and are told as such.
"""

from __future__ import annotations

from dataclasses import replace

import msgspec

from compiler.batches import Batches
from compiler.ethos_u.device import Device, device_of
from compiler.ethos_u.edges import integer_edges
from compiler.ethos_u.gates import check_cycles, check_placement, check_sram, fits_sram
from compiler.ethos_u.report import Summary, operator_count
from compiler.ethos_u.vela import PACKAGE, Aim, VelaOutput, run_vela, tool_name
from compiler.targets.litert import lower as lower_litert
from compiler.targets.target import Lowered, TargetJob
from compiler.toolchain import versions
from edge_bundle.canonical import dumps
from edge_bundle.proof import EstimateProof, Execution, PlacementProof
from edge_runtime.engine import EngineSource
from hardware_profiles.schema import Profile

ARTIFACT = "model_vela.tflite"
INTERFACE = "interface.json"


def lower(job: TargetJob) -> Lowered:
    """The Vela-optimised TFLite file, and what its integers mean (``interface.json``).

    Raises:
        RuntimeMissingError: Vela or LiteRT is not installed.
        UnsupportedOperatorError: TFLite has no such operator; names it and the node.
        ToolFailedError: Vela crashed, hung, refused the file or compiled for another machine.
        PlacementError: operators would run on the CPU; names each and why.
        LimitExceededError: more SRAM or cycles than the profile allows.
        InvalidInputError: options of the profile that do not belong together.

    """
    tool = tool_name()
    device = device_of(job.profile)
    stand_in = lower_litert(replace(job, profile=_litert_profile(job.profile), batches=Batches()))
    given, interface = integer_edges(stand_in.files[stand_in.entrypoint])
    output = _compile(given, device)
    check_placement(job.profile, device, output.on_cpu)
    check_sram(job.profile, device, output.summary)
    check_cycles(job.profile, device, output.summary)
    nodes = operator_count(given)
    return Lowered(
        profile=job.profile,
        files={ARTIFACT: output.model, INTERFACE: dumps(msgspec.to_builtins(interface))},
        entrypoint=ARTIFACT,
        toolchain=versions(PACKAGE, "ai-edge-litert"),
        execution=Execution.STAND_IN,
        stand_in=EngineSource(
            runtime=stand_in.profile.runtime,
            files=stand_in.files,
            entrypoint=stand_in.entrypoint,
            inputs=tuple(rule.spec for rule in job.contract.inputs),
            outputs=tuple(rule.spec for rule in job.contract.outputs),
        ),
        placement=PlacementProof(device=device.accelerator, nodes=nodes, on_device=nodes),
        estimate=_estimate(tool, output.summary),
    )


def _compile(tflite: bytes, device: Device) -> VelaOutput:
    """For speed; where that takes more SRAM than there is, for the least SRAM."""
    fast = run_vela(tflite, device, Aim.SPEED)
    if fits_sram(device, fast.summary):
        return fast
    return run_vela(tflite, device, Aim.MEMORY)


def _litert_profile(profile: Profile) -> Profile:
    """The profile of the file before Vela: the same graph, for LiteRT."""
    return msgspec.structs.replace(profile, runtime="litert", options={}, compile_only=False)


def _estimate(tool: str, summary: Summary) -> EstimateProof:
    return EstimateProof(
        tool=tool,
        latency_us=summary.latency_us,
        cycles=summary.cycles,
        sram_bytes=summary.sram_bytes,
        flash_bytes=summary.flash_bytes,
        dram_bytes=summary.dram_bytes,
    )
