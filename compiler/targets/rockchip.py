"""Rockchip's NPUs: compiled by the vendor's toolkit, run in its simulator.

The toolkit lives in an environment of its own (``skerry toolchain install rknn``). It takes the graph with our
quantization as it is. What is proven is the simulator's answer, and the proof says so; Skerry has no engine for the
chip itself.
"""

from __future__ import annotations

from compiler.compile_options import compile_options
from compiler.importer.onnx_rewrite import at_most_opset, bind_dimensions
from compiler.rockchip.build import TOOL, build
from compiler.rockchip.layers import placement
from compiler.targets.target import Lowered, TargetJob
from compiler.toolchain import versions
from edge_bundle.errors import PlacementError
from edge_bundle.proof import Execution, PlacementProof
from edge_bundle.tensor import DYNAMIC
from edge_runtime.engine import EngineSource
from edge_runtime.rockchip.job import BUILT_FILE, MODEL_FILE
from edge_runtime.rockchip.simulator import RUNTIME as SIMULATOR
from edge_runtime.toolchains.recipe import RKNN
from hardware_profiles.schema import Profile

NEWEST_OPSET = 19
"""Of ai.onnx; what the toolkit takes (its own words: "need <= 19")."""


def lower(job: TargetJob) -> Lowered:
    """The toolkit's own file, for one row.

    Raises:
        RuntimeMissingError: the toolchain is not installed; the advice says how.
        ToolFailedError: the toolkit crashed, hung or refused the graph.
        PlacementError: layers are left to the CPU and the profile does not allow it.
        InvalidInputError: the profile names an unknown chip.

    """
    profile = job.profile
    platform = compile_options(profile)["platform"]
    inputs = tuple(rule.spec for rule in job.contract.inputs)
    outputs = tuple(rule.spec for rule in job.contract.outputs)
    shapes = {spec.name: (1, *spec.shape[1:]) for spec in job.graph.inputs if spec.shape[:1] == (DYNAMIC,)}
    model = at_most_opset(bind_dimensions(job.graph.model, shapes, stage="lower"), NEWEST_OPSET, stage="lower")
    built = build(model, platform, inputs, outputs, runtime=profile.runtime)
    placed = placement(platform, built.layers)
    _check_placement(profile, placed)
    return Lowered(
        profile=profile,
        files={BUILT_FILE: built.model},
        entrypoint=BUILT_FILE,
        toolchain={**versions(), RKNN.version_of: RKNN.version},
        execution=Execution.SIMULATOR,
        stand_in=EngineSource(
            runtime=SIMULATOR,
            files={MODEL_FILE: model},
            entrypoint=MODEL_FILE,
            inputs=inputs,
            outputs=outputs,
            options={"platform": platform},
        ),
        placement=placed,
    )


def _check_placement(profile: Profile, placed: PlacementProof) -> None:
    if placed.elsewhere and not profile.cpu_nodes:
        raise PlacementError(
            runtime=profile.runtime,
            device=placed.device,
            expected=f"0 layers on the CPU (profile {profile.name}), as {TOOL} places them",
            got=f"{len(placed.elsewhere)}: {'; '.join(placed.elsewhere)}",
        )
