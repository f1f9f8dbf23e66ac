"""Act 7: real models as WebAssembly, in float and in int8, compiled, signed, rolled out and served like the example."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from compiler.compile import CompileResult, VariantResult, compile_bundle
from compiler.request import CompileRequest
from edge_bundle.contract_file import load_contract
from edge_bundle.manifest import NumericClass, Precision
from hardware_profiles.loader import load_profile
from hardware_profiles.schema import Profile
from skerry.demo.act3_fleet import Hub, publish_bundle, roll_out, start_agent
from skerry.demo.act4_serve import Served, load_evaluation_set, serve
from skerry.demo.claims import Claim, equal
from skerry.demo.processes import Crew
from skerry.demo.workplace import EDGES, OWNERS, AgentPlan, Workplace
from skerry.git_commit import commit_of
from skerry.model_file import find_model

ACT = 7


@dataclass(frozen=True)
class ServedModel:
    """One model on one agent: the variant that was compiled, and what the agent answered."""

    model: str
    variant: VariantResult
    served: Served


async def serve_models(place: Workplace, crew: Crew, hub: Hub) -> list[ServedModel]:
    """Start two agents that run nothing but WebAssembly, and give them every model."""
    urls = {plan.name: await start_agent(place, crew, hub, plan, hub.url) for plan in EDGES}
    done = []
    for folder in place.more:
        contract = load_contract(folder / "contract.toml")
        compiled = _compile(place, folder)
        release = await publish_bundle(place, hub, compiled.bundle_dir)
        evaluation = load_evaluation_set(folder / "evaluation.npz", contract)
        for plan, variant in _plans(compiled):
            await roll_out(place, crew, hub, (release.model, release.version), site=plan.site, nodes=1)
            answered = await serve(
                f"{plan.name}: {contract.name}", urls[plan.name], variant.proof, contract, evaluation, place.bars
            )
            done.append(ServedModel(contract.name, variant, answered))
    return done


def _compile(place: Workplace, folder: Path) -> CompileResult:
    calibration = folder / "calibration.npz"
    quantized = calibration.is_file()
    profiles: list[Profile] = [load_profile(plan.profile) for plan in (EDGES if quantized else EDGES[:1])]
    request = CompileRequest(
        model_path=find_model(folder),
        contract_path=folder / "contract.toml",
        calibration_path=calibration if quantized else None,
        evaluation_path=folder / "evaluation.npz",
        profiles=tuple(profiles),
        out_dir=place.root / f"bundle-{folder.name}",
        keys=place.signing_keys(*OWNERS),
        git_commit=commit_of(folder),
    )
    return compile_bundle(request, progress=place.bars)


def _plans(compiled: CompileResult) -> list[tuple[AgentPlan, VariantResult]]:
    variants = {variant.manifest.profile: variant for variant in compiled.variants}
    return [(plan, variants[plan.profile]) for plan in EDGES if plan.profile in variants]


def judge(models: list[ServedModel]) -> list[Claim]:
    """Served answers are the proven ones, bits do not depend on the host, float agrees with ONNX Runtime."""
    claims = []
    for one in models:
        name, proof, served = f"{one.model} on {one.served.profile}", one.served.proof, one.served
        proven = f"{proof.accuracy.correct} of {proof.accuracy.samples}"
        got = f"{served.first.correct} of {served.first.samples}"
        differ = sum(a != b for a, b in zip(served.first.answers, served.second.answers, strict=True))
        claims += [
            equal(ACT, f"{name}: numeric class", NumericClass.PORTABLE_EXACT.value, proof.numeric_class.value),
            equal(ACT, f"{name}: answers as in the signed proof", proven, got),
            equal(ACT, f"{name}: cached answers that differ in any bit", 0, differ),
        ]
        if proof.precision is Precision.FP32:
            claims.append(equal(ACT, f"{name}: first answers equal to ONNX Runtime's", 1.0, proof.agreement.top1))
    return claims
