"""A real agent with the built hook in front of it, in real workerd."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import msgspec

from cdn_hooks.build import build_hook
from edge_bundle.contract import CachePolicy, Limits
from edge_bundle.contract_file import load_contract
from edge_bundle.walk import VerifiedRelease
from tests.cdn_hooks.agent import HOST, AgentThread
from tests.cdn_hooks.client import Answer, Ask, send
from tests.cdn_hooks.releases import PROFILE, make_release
from tests.cdn_hooks.workerd import Workerd

DIGITS = Path(__file__).parent.parent.parent / "examples" / "digits"
MAX_BODY_BYTES = 65_536
MISS = "skerry; fwd=miss; stored, skerry-cdn; fwd=miss; stored"


def digits_release(directory: Path, cache: CachePolicy) -> VerifiedRelease:
    """The digits example, with small limits."""
    contract = msgspec.structs.replace(
        load_contract(DIGITS / "contract.toml"), cache=cache, limits=Limits(max_batch=4, max_body_bytes=MAX_BODY_BYTES)
    )
    return make_release(directory, contract, (DIGITS / "digits.onnx").read_bytes())


@dataclasses.dataclass(frozen=True)
class Edge:
    """An agent and the hook in front of it."""

    agent: AgentThread
    hook: Workerd
    release: VerifiedRelease

    def costs(self) -> tuple[int, int]:
        """Requests that reached the agent, and inferences."""
        return self.agent.requests, self.agent.engine.runs

    def through(self, ask: Ask) -> Answer:
        """The hook's answer."""
        return send(self.hook.port, ask)

    def direct(self, ask: Ask) -> Answer:
        """The agent's answer."""
        return send(self.agent.port, ask)


def open_hook(
    release: VerifiedRelease, port: int, out: Path, *, profile: str = PROFILE, origin_timeout_s: float = 10.0
) -> Workerd:
    """The hook of a release's variant, built into ``out`` and started, before the agent at ``port``."""
    origin = f"http://{HOST}:{port}"
    build_hook(
        release, target="workers", profile=profile, origin=origin, out_dir=out, origin_timeout_s=origin_timeout_s
    )
    return Workerd(out)


def open_edge(directory: Path, cache: CachePolicy) -> Iterator[Edge]:
    """One edge, closed when the iterator is."""
    release = digits_release(directory / "layout", cache)
    with AgentThread(release.variants[PROFILE]) as agent, open_hook(release, agent.port, directory / "hook") as hook:
        yield Edge(agent, hook, release)


def image_number(number: int) -> list[float]:
    """64 values of an image; other numbers, other images."""
    return [float((value + number) % 17) for value in range(64)]


def raw(body: str | bytes, content_type: str = "application/json", **headers: str) -> Ask:
    """A request with any body."""
    data = body.encode() if isinstance(body, str) else body
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Ask(headers={"Content-Type": content_type, **named}, body=data)
