"""Act 7: real models as WebAssembly, in float and in int8, compiled, signed, rolled out and served like the example."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from compiler.compile import CompileResult, VariantResult, compile_bundle
from edge_bundle.contract_file import load_contract
from edge_bundle.manifest import NumericClass, Precision
from edge_bundle.proof import AgreementProof
from skerry.demo import act4_serve
from skerry.demo.act1_compile import CALIBRATION, compile_request
from skerry.demo.act3_fleet import Hub, publish_bundle, roll_out, start_agent
from skerry.demo.act4_serve import Served
from skerry.demo.claims import Claim, equal, holds
from skerry.demo.processes import Crew
from skerry.demo.workplace import EDGES, AgentPlan, Workplace

ACT = 7

MIN_SQNR_DB = 60
"""Float answers differ by rounding alone: below a thousandth of their size."""


@dataclass(frozen=True)
class ServedModel:
    """One model on one agent, and what the agent answered."""

    model: str
    served: Served


async def serve_models(place: Workplace, crew: Crew, hub: Hub) -> list[ServedModel]:
    """Start two agents that run nothing but WebAssembly, and give them every model."""
    urls = {plan.name: await start_agent(place, crew, hub, plan, hub.url) for plan in EDGES}
    done = []
    for folder in place.more:
        contract = load_contract(folder / "contract.toml")
        compiled = _compile(place, folder)
        release = await publish_bundle(place, hub, compiled.bundle_dir)
        evaluation = act4_serve.load_evaluation_set(folder, contract)
        for plan, variant in _plans(compiled):
            await roll_out(place, crew, hub, (release.model, release.version), site=plan.site, nodes=1)
            name = f"{contract.name} on {plan.profile}"
            answered = await act4_serve.serve(name, urls[plan.name], variant.proof, contract, evaluation, place.bars)
            done.append(ServedModel(contract.name, answered))
    return done


def _compile(place: Workplace, folder: Path) -> CompileResult:
    """In float, and in int8 where the folder has a calibration set."""
    plans = EDGES if (folder / CALIBRATION).is_file() else EDGES[:1]
    request = compile_request(
        place, place.root / f"bundle-{folder.name}", example=folder, profiles=[plan.profile for plan in plans]
    )
    return compile_bundle(request, progress=place.bars)


def _plans(compiled: CompileResult) -> list[tuple[AgentPlan, VariantResult]]:
    variants = {variant.manifest.profile: variant for variant in compiled.variants}
    return [(plan, variants[plan.profile]) for plan in EDGES if plan.profile in variants]


def judge(models: Sequence[ServedModel]) -> list[Claim]:
    """As act 4 judges an agent; besides, bits do not depend on the host, and float agrees with ONNX Runtime."""
    claims = []
    for one in models:
        name, proof = one.served.agent, one.served.proof
        exact = NumericClass.PORTABLE_EXACT.value
        claims += act4_serve.judge([one.served], act=ACT)
        claims.append(equal(ACT, f"{name}: numeric class", exact, proof.numeric_class.value))
        if proof.precision is Precision.FP32:
            claims.append(_agrees(name, proof.agreement))
    return claims


def _agrees(name: str, found: AgreementProof) -> Claim:
    if found.top1 is not None:
        return equal(ACT, f"{name}: first answers equal to ONNX Runtime's", 1.0, found.top1)
    near = found.sqnr_db is None or found.sqnr_db >= MIN_SQNR_DB
    said = "equal bits" if found.sqnr_db is None else f"{found.sqnr_db:.1f} dB"
    return holds(ACT, f"{name}: answers near ONNX Runtime's", near, said, expected=f"at least {MIN_SQNR_DB} dB")
