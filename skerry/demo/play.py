"""The demo is this list of acts. Each gives its findings; claims are judged and shown after each."""

from __future__ import annotations

from collections.abc import Sequence

from compiler.report_table import variants_table
from edge_bundle.contract_file import load_contract
from skerry.commands.running import running_table
from skerry.demo import act1_compile, act2_sign, act3_fleet, act4_serve, act5_report, act6_attacks, show
from skerry.demo.claims import Claim
from skerry.demo.processes import Crew
from skerry.demo.show import Show
from skerry.demo.workplace import AGENTS, Workplace


async def play(place: Workplace, stage: Show) -> list[Claim]:
    """Play all acts and return every claim; what cannot go on raises."""
    claims: list[Claim] = []

    def judged(found: Sequence[Claim]) -> None:
        stage.claims(found)
        claims.extend(found)

    stage.act(1)
    contract = load_contract(place.example / "contract.toml")
    act1_compile.make_keys(place)
    compiled = act1_compile.compile_example(place)
    stage.tables(variants_table(compiled))
    judged(act1_compile.judge(compiled, contract))

    stage.act(2)
    signed = act2_sign.verify_and_rebuild(place, compiled)
    stage.tables(show.signed_facts(signed))
    judged(act2_sign.judge(signed))

    with Crew(place.logs) as crew:
        stage.act(3)
        async with act3_fleet.open_hub(place, crew) as hub:
            fleet = await act3_fleet.open_fleet(place, crew, hub, compiled.bundle_dir)
            stage.tables(show.fleet_table(fleet, hub.url))
            judged(act3_fleet.judge(fleet, compiled.bundle_digest))

            stage.act(4)
            evaluation = act4_serve.load_evaluation_set(place.example / "evaluation.npz", contract)
            proofs = signed.release.proofs
            served = [
                await act4_serve.serve(
                    plan.name, fleet.urls[plan.name], proofs[plan.profile], contract, evaluation, place.bars
                )
                for plan in AGENTS
            ]
            stage.tables(show.serve_table(served))
            judged(act4_serve.judge(served))

            stage.act(5)
            report = await act5_report.ask_hub(hub.operator, crew, served)
            stage.tables(show.telemetry_table(report), running_table(report.running))
            judged(act5_report.judge(report, served, fleet.names, signed.release))

            stage.act(6)
            attacks = await act6_attacks.attack(place, crew, hub, fleet.release)
            stage.tables(show.attack_table(attacks))
            judged(act6_attacks.judge(attacks))
    return claims
