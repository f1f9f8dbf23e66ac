"""How the demo looks: a heading per act, its table, and a line per claim. Nothing is decided here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console, RenderableType

from compiler.metrics.text import share_text, value_text
from skerry.demo.act2_sign import Signed
from skerry.demo.act3_fleet import Fleet
from skerry.demo.act4_serve import Served
from skerry.demo.act6_attacks import Attacks
from skerry.demo.act7_models import ServedModel
from skerry.demo.claims import Claim
from skerry.output import facts, shorten_digests, table

TITLES = {
    1: "one model, compiled and measured for each hardware profile",
    2: "signed by two owners, reproducible, and proven again",
    3: "a hub, four agents, a release, a rollout",
    4: "the evaluation set through every agent, twice",
    5: "what the hub knows",
    6: "four attacks",
    7: "real models on WebAssembly",
}


@dataclass(frozen=True)
class Show:
    """Prints to one console; a quiet show prints nothing."""

    console: Console

    def act(self, number: int) -> None:
        """A heading."""
        self.console.print(f"\n[bold]Act {number}[/bold]: {TITLES[number]}\n")

    def tables(self, *tables: RenderableType) -> None:
        """What was found, before it is judged."""
        for one in tables:
            self.console.print(one)
            self.console.print()

    def claims(self, claims: Sequence[Claim]) -> None:
        """One line per claim."""
        for claim in claims:
            mark = "[green]ok[/green]  " if claim.ok else "[bold red]FAIL[/bold red]"
            tail = claim.found if claim.ok else f"{claim.found}, expected {claim.expected}"
            self.console.print(f"  {mark} {claim.name}: {tail}", soft_wrap=True)


def signed_facts(signed: Signed) -> RenderableType:
    """What was signed, by whom, and what the second build and the second measurement gave."""
    release = signed.release
    return facts("", {
        "bundle": release.bundle_digest,
        "second build": signed.second_digest,
        "signed by": " ".join(keyid[:12] for keyid in release.signed_by),
    })  # fmt: skip


def fleet_table(fleet: Fleet, hub_url: str) -> RenderableType:
    """One line per agent, and how its part of the rollout ended."""
    rollout = fleet.rollout
    title = f"hub {hub_url}, {rollout.rollout_id}: {rollout.model} {rollout.version}"
    rows = [(fleet.names[n.node_id], n.node_id, fleet.urls[fleet.names[n.node_id]], n.state) for n in rollout.nodes]
    return table(title, ("agent", "node", "address", "rollout"), rows)


def serve_table(served: Sequence[Served]) -> RenderableType:
    """One line per agent and pass; latencies as the caller saw them."""
    columns = ("agent", "profile", "pass", "requests#", "accuracy#", "p50 us#", "p99 us#", "cache hits#")
    rows = []
    for one in served:
        for name, done in (("first", one.first), ("second", one.second)):
            rows.append((
                one.agent, one.profile, name, done.samples, value_text(one.proof.accuracy.metric, done.accuracy),
                f"{done.percentile_us(50):.0f}", f"{done.percentile_us(99):.0f}", f"{done.hits / done.samples:.0%}",
            ))  # fmt: skip
    return table("", columns, rows)


def attack_table(attacks: Attacks) -> RenderableType:
    """One line per attempt, with the reason that the node gave."""
    rows = [(one.name, shorten_digests(one.answer.detail)) for one in attacks.attempts]
    return table("", ("attack", "what the node reported to the hub"), rows)


def models_table(models: Sequence[ServedModel]) -> RenderableType:
    """One line per model and precision: what was proven, and what its callers saw."""
    columns = ("model", "profile", "agrees#", "max diff#", "engine p50 us#", "request p50 us#", "hit p50 us#", "kB#")
    rows = [
        (
            one.model, one.served.profile, share_text(one.served.proof.agreement.top1),
            f"{one.served.proof.agreement.max_abs_diff:.1e}",
            f"{one.served.proof.latency.p50_us:.0f}" if one.served.proof.latency else "",
            f"{one.served.first.percentile_us(50):.0f}", f"{one.served.second.percentile_us(50):.0f}",
            f"{one.served.proof.artifact_bytes / 1000:.0f}",
        )
        for one in models
    ]  # fmt: skip
    return table("", columns, rows)
