"""The demo is this list of acts. Each gives its findings; claims are judged and shown after each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from compiler.compile import CompileResult
from compiler.reports.tables import variants_table
from edge_bundle.contract import Contract
from edge_bundle.contract_file import load_contract
from skerry.demo import (
    act1_compile,
    act2_sign,
    act3_fleet,
    act4_serve,
    act5_report,
    act6_attacks,
    act7_models,
    show,
)
from skerry.demo.act2_sign import Signed
from skerry.demo.act3_fleet import Fleet, Hub
from skerry.demo.act4_serve import Served
from skerry.demo.claims import Claim
from skerry.demo.processes import Crew
from skerry.demo.show import Show
from skerry.demo.workplace import AGENTS, Workplace
from skerry.fleet_tables import running_table, telemetry_table


async def play(place: Workplace, stage: Show) -> list[Claim]:
    """Play all acts and return every claim; what cannot go on raises."""
    acts = _Acts(place, stage, load_contract(place.example / "contract.toml"))
    compiled = acts.compile()
    signed = acts.sign(compiled)
    with Crew(place.logs) as crew:
        stage.act(3)
        async with act3_fleet.open_hub(place, crew) as hub:
            fleet = await acts.roll_out(crew, hub, compiled)
            served = await acts.serve(fleet, signed)
            await acts.report(crew, hub, fleet, served, signed)
            await acts.attack(crew, hub, fleet)
            if place.more:
                await acts.serve_models(crew, hub)
    return acts.claims


@dataclass(frozen=True)
class _Acts:
    """Each act: do it, show what was found, judge it."""

    place: Workplace
    stage: Show
    contract: Contract
    claims: list[Claim] = field(default_factory=list)

    def _judged(self, claims: Sequence[Claim]) -> None:
        self.stage.claims(claims)
        self.claims.extend(claims)

    def compile(self) -> CompileResult:
        self.stage.act(1)
        act1_compile.make_keys(self.place)
        compiled = act1_compile.compile_example(self.place)
        self.stage.tables(variants_table(compiled))
        self._judged(act1_compile.judge(compiled, self.contract))
        return compiled

    def sign(self, compiled: CompileResult) -> Signed:
        self.stage.act(2)
        signed = act2_sign.verify_and_rebuild(self.place, compiled)
        self.stage.tables(show.signed_facts(signed))
        self._judged(act2_sign.judge(signed))
        return signed

    async def roll_out(self, crew: Crew, hub: Hub, compiled: CompileResult) -> Fleet:
        fleet = await act3_fleet.open_fleet(self.place, crew, hub, compiled.bundle_dir)
        self.stage.tables(show.fleet_table(fleet, hub.url))
        self._judged(act3_fleet.judge(fleet, compiled.bundle_digest))
        return fleet

    async def serve(self, fleet: Fleet, signed: Signed) -> list[Served]:
        self.stage.act(4)
        evaluation = act4_serve.load_evaluation_set(self.place.example, self.contract)
        served = []
        for plan in AGENTS:
            url, proof = fleet.urls[plan.name], signed.release.proofs[plan.profile]
            served.append(await act4_serve.serve(plan.name, url, proof, self.contract, evaluation, self.place.bars))
        self.stage.tables(show.serve_table(served))
        self._judged(act4_serve.judge(served))
        return served

    async def report(self, crew: Crew, hub: Hub, fleet: Fleet, served: Sequence[Served], signed: Signed) -> None:
        self.stage.act(5)
        report = await act5_report.ask_hub(hub.operator, crew, served)
        self.stage.tables(telemetry_table(report.telemetry), running_table(report.running))
        self._judged(act5_report.judge(report, served, fleet.names, signed.release))

    async def attack(self, crew: Crew, hub: Hub, fleet: Fleet) -> None:
        self.stage.act(6)
        attacks = await act6_attacks.attack(self.place, crew, hub, fleet.release)
        self.stage.tables(show.attack_table(attacks))
        self._judged(act6_attacks.judge(attacks))

    async def serve_models(self, crew: Crew, hub: Hub) -> None:
        self.stage.act(7)
        models = await act7_models.serve_models(self.place, crew, hub)
        self.stage.tables(show.models_table(models))
        self._judged(act7_models.judge(models))
