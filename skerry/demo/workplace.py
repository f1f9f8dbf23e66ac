"""Where the demo works and what all acts share."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from compiler.progress import Progress
from edge_bundle.keys import PublicKey, SigningKey, TrustPolicy

OWNERS = ("alice", "bob")
STRANGER = "mallory"
TEAM_ROLE = "vision-team"

PROFILES = (
    "cpu-fp32", "cpu-int8", "litert-int8", "openvino-fp32", "openvino-int8", "wasm-simd128", "wasm-simd128-int8",
    "openvino-npu",
)  # fmt: skip
"""What the demo compiles for: four runtimes, and a device that few machines have: it is refused by name there."""


@dataclass(frozen=True)
class AgentPlan:
    """One agent of the demo: its name, the profile it runs, and a label to select it by."""

    name: str
    profile: str
    site: str


AGENTS = (
    AgentPlan("node-a", "cpu-int8", "shop"),
    AgentPlan("node-b", "openvino-fp32", "shop"),
    AgentPlan("node-l", "litert-int8", "shop"),
    AgentPlan("node-w", "wasm-simd128-int8", "shop"),
)
VICTIM = AgentPlan("node-v", "cpu-fp32", "lab")
"""The agent that is attacked in act 6; it reaches the hub through a hostile mirror."""

EDGES = (
    AgentPlan("edge-fp32", "wasm-simd128", "edge-fp32"),
    AgentPlan("edge-int8", "wasm-simd128-int8", "edge-int8"),
)
"""The agents of act 7: WebAssembly alone, one in float and one in int8."""


@dataclass(frozen=True)
class Workplace:
    """A temporary folder, the example that is compiled, where progress is shown, and folders of further models."""

    root: Path
    example: Path
    bars: Progress
    more: tuple[Path, ...] = ()

    @property
    def keys_dir(self) -> Path:
        """Where the owners' keys are."""
        return self.root / "keys"

    @property
    def logs(self) -> Path:
        """Where the children write."""
        return self.root / "logs"

    @property
    def hub_dir(self) -> Path:
        """The hub's own folder."""
        return self.root / "hub"

    @property
    def offline_dir(self) -> Path:
        """What would be kept off the hub: root and targets keys, tokens, the root to pin."""
        return self.root / "offline"

    def public_key_file(self, name: str) -> Path:
        """The ``.pub`` file of one owner."""
        return self.keys_dir / f"{name}.pub"

    def signing_keys(self, *names: str) -> tuple[SigningKey, ...]:
        """The private keys of some owners."""
        return tuple(SigningKey.load(self.keys_dir / f"{name}.key") for name in names)

    def policy(self) -> TrustPolicy:
        """Both owners must have signed."""
        keys = tuple(PublicKey.load(self.public_key_file(name)) for name in OWNERS)
        return TrustPolicy(keys=keys, threshold=len(keys))
