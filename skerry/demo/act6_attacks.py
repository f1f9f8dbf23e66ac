"""Act 6: four attacks on a third agent, which reaches the hub through a hostile mirror.

Nothing is staged: each refusal is the agent's own, reported to the hub like any other result of a rollout.

1. flip:     the mirror changes one byte of every blob.
2. stranger: valid TUF metadata of the team names a bundle that somebody else signed.
3. rollback: a genuine order is changed on the way to name an older, genuine release, as a stolen hub would do it.
4. freeze:   the mirror keeps serving metadata that was genuine, until it has expired, and hides what came after.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import math
import re
import time
from dataclasses import dataclass, replace

import msgspec

from compiler.compile import compile_bundle
from edge_bundle.canonical import dumps
from edge_bundle.errors import DigestMismatchError, ExpiredMetadataError, RollbackError, SignatureError, SkerryError
from edge_bundle.keys import TrustPolicy
from edge_bundle.layout import Layout
from edge_bundle.messages import PollResponse, target_path
from edge_bundle.version import Version
from fleet_hub.api import ReleaseRow, RolloutNodeRow
from hardware_profiles.loader import load_profile
from skerry.demo.act1_compile import compile_request
from skerry.demo.act3_fleet import Hub, roll_out, start_agent, wait_enrolled
from skerry.demo.claims import Claim, equal
from skerry.demo.mirror import Mirror, open_mirror
from skerry.demo.processes import Crew
from skerry.demo.workplace import AGENTS, OWNERS, STRANGER, TEAM_ROLE, VICTIM, Workplace

ACT = 6
BLOB_PATH = "/v1/blobs/"
POLL_PATH = "/poll"
TIMESTAMP_PATH = "/tuf/metadata/timestamp.json"


@dataclass(frozen=True)
class Attack:
    """One attempt: what was tried, which error must refuse it, and what the node said."""

    name: str
    expected: type[SkerryError]
    answer: RolloutNodeRow


@dataclass(frozen=True)
class Attacks:
    """All attempts, and the version that the victim serves after them."""

    attempts: tuple[Attack, ...]
    genuine_version: str
    serving_version: str


@dataclass(frozen=True)
class Scene:
    """What every attack uses."""

    place: Workplace
    crew: Crew
    hub: Hub
    mirror: Mirror
    model: str

    async def order(self, version: str) -> RolloutNodeRow:
        """Roll a version out to the victim and return what became of it."""
        release = (self.model, version)
        row = await roll_out(self.place, self.crew, self.hub, release, site=VICTIM.site, nodes=1)
        return row.nodes[0]


async def attack(place: Workplace, crew: Crew, hub: Hub, release: ReleaseRow) -> Attacks:
    """Start the victim behind the mirror and try everything."""
    first = release.version
    forged, replaced, genuine, hidden = (later(first, steps) for steps in (1, 2, 3, 4))
    async with open_mirror(hub.url) as (mirror, mirror_url):
        await start_agent(place, crew, hub, VICTIM, mirror_url)
        names = await wait_enrolled(crew, hub, len(AGENTS) + 1)
        scene = Scene(place, crew, hub, mirror, release.model)
        attempts = (
            await _flip(scene, first),
            await _stranger(scene, forged),
            await _rollback(scene, first, running=replaced, ordered=genuine),
            await _freeze(scene, hidden),
        )
        running = {names[row.node_id]: row.version for row in await hub.operator.running()}
    return Attacks(attempts, genuine, running[VICTIM.name])


async def _flip(scene: Scene, version: str) -> Attack:
    with scene.mirror.tampering(lambda path, data: _flipped(data) if path.startswith(BLOB_PATH) else data):
        return Attack("a flipped byte in a blob", DigestMismatchError, await scene.order(version))


async def _stranger(scene: Scene, version: str) -> Attack:
    """The team's TUF keys vouch for the release, as if its publishing machine were taken over; the owners' do not."""
    place = scene.place
    (stranger,) = place.signing_keys(STRANGER)
    policy = TrustPolicy(keys=(*place.policy().keys, stranger.public), threshold=1)
    await _publish(scene, version, signers=(STRANGER,), policy=policy)
    return Attack("a bundle signed by an unknown key", SignatureError, await scene.order(version))


async def _rollback(scene: Scene, older: str, *, running: str, ordered: str) -> Attack:
    """The victim runs ``running``; then an order of ``ordered`` names ``older`` when it arrives.

    The hub itself starts no rollout that goes back. Undisturbed, the victim then follows the same order.
    """
    for version in (running, ordered):
        await _publish(scene, version, signers=OWNERS, policy=scene.place.policy())
    await scene.order(running)
    with scene.mirror.tampering(lambda path, data: _naming(older, data) if path.endswith(POLL_PATH) else data):
        answer = await scene.order(ordered)
    await scene.order(ordered)
    return Attack("an older release offered again", RollbackError, answer)


async def _freeze(scene: Scene, version: str) -> Attack:
    """Serve what the victim saw last, let it expire, and only then order something that came after it."""
    frozen = scene.mirror.seen[TIMESTAMP_PATH]
    await _publish(scene, version, signers=OWNERS, policy=scene.place.policy())
    with scene.mirror.tampering(lambda path, data: frozen if path == TIMESTAMP_PATH else data):
        await _wait_for_expiry(scene, frozen)
        return Attack("expired metadata", ExpiredMetadataError, await scene.order(version))


async def _publish(scene: Scene, version: str, *, signers: tuple[str, ...], policy: TrustPolicy) -> None:
    """Compile the example once more under another version, for the victim's profile, and publish it."""
    place = scene.place
    folder = place.root / f"release-{version}"
    folder.mkdir()
    contract = folder / "contract.toml"
    contract.write_text(with_version((place.example / "contract.toml").read_text(), version))
    request = replace(
        compile_request(place, folder / "bundle", signers=signers),
        contract_path=contract, profiles=(load_profile(VICTIM.profile),),
    )  # fmt: skip
    result = await asyncio.to_thread(compile_bundle, request)
    with Layout.open(result.bundle_dir) as layout:
        await scene.hub.publisher.publish(layout, place.signing_keys(*OWNERS), TEAM_ROLE, policy=policy)


def later(version: str, steps: int) -> str:
    """The version so many minor steps on."""
    before = Version.parse(version)
    return str(Version(before.major, before.minor + steps, 0))


def with_version(contract: str, version: str) -> str:
    """The contract's text with another version."""
    return re.sub(r"^version\s*=\s*[\"'][^\"']*[\"']", f'version = "{version}"', contract, count=1, flags=re.MULTILINE)


def _naming(version: str, answer: bytes) -> bytes:
    """The answer to a poll with every order changed to name this version."""
    response = msgspec.json.decode(answer, type=PollResponse)
    desired = tuple(
        msgspec.structs.replace(order, version=version, target_path=target_path(order.model, version))
        for order in response.desired
    )
    return dumps(msgspec.structs.replace(response, desired=desired))


def _flipped(data: bytes) -> bytes:
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]


async def _wait_for_expiry(scene: Scene, timestamp: bytes) -> None:
    expires = dt.datetime.fromisoformat(msgspec.json.decode(timestamp)["signed"]["expires"]).timestamp()
    left_s = max(0, math.ceil(expires - time.time()) + 1)
    scene.place.bars.start("waiting for the frozen metadata to expire", left_s)
    for _ in range(left_s):
        await asyncio.sleep(1)
        scene.place.bars.advance()
    scene.place.bars.done()


def judge(attacks: Attacks) -> list[Claim]:
    """Every attack is refused under its own name, and the victim serves the last good release."""
    claims = [
        equal(ACT, one.name, f"refused: {one.expected.__name__}", f"{one.answer.state}: {one.answer.error}")
        for one in attacks.attempts
    ]
    name = f"{VICTIM.name} still serves the last genuine release"
    return [*claims, equal(ACT, name, attacks.genuine_version, attacks.serving_version)]
