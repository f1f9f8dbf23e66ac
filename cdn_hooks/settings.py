"""What a built hook knows: the contract's request rules, the digests of the cache key, and where the agent is.

Written into the worker as canonical JSON, so that the same release and options give the same bytes.
"""

from __future__ import annotations

import re

import msgspec

from edge_bundle.cache_key import cache_scope
from edge_bundle.contract import Contract, ModelName, Reuse, VersionText
from edge_bundle.errors import InvalidInputError
from edge_bundle.manifest import NumericClass
from edge_bundle.tensor import DType, Shape, TensorName
from edge_bundle.walk import VerifiedVariant

HOOK_SCHEMA = 1

RECHECK_S = 60.0
"""After this long without an answer by the agent, a request that breaks the contract is left to the agent, once: its
answer tells whether it still serves this variant. Refusing costs the agent no inference either."""

MAX_PORT = 65535

_ORIGIN = re.compile(
    r"(?P<origin>https?://(?:[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(?::(?P<port>[0-9]{1,5}))?)/?", re.ASCII
)
"""RFC 3986 section 3.2: host and port in ASCII (names in other scripts in punycode), no credentials."""

DEFAULT_ORIGIN_TIMEOUT_S = 30.0
"""How long the hook waits for the agent: above any model here, below the 100 s after which Cloudflare gives up."""


class HookInput(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One input that a request must carry."""

    name: TensorName
    dtype: DType
    shape: Shape


class HookOutput(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One output that a request may ask for."""

    name: TensorName
    dtype: DType


class HookCache(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Whether answers may be kept in the CDN; if not, ``reason`` says why. ``ttl_ms`` in milliseconds."""

    enabled: bool
    reason: str
    scope: str
    ttl_ms: int


class HookSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The whole configuration of one hook. ``origin`` is the agent's base URL, without a path."""

    schema: int = HOOK_SCHEMA
    model: ModelName
    version: VersionText
    profile: ModelName
    bundle_digest: str
    variant_digest: str
    model_digest: str
    contract_digest: str
    origin: str
    origin_timeout_ms: int
    recheck_ms: int
    max_batch: int
    max_body_bytes: int
    inputs: tuple[HookInput, ...]
    outputs: tuple[HookOutput, ...]
    cache: HookCache


def hook_settings(
    variant: VerifiedVariant, *, origin: str, origin_timeout_s: float = DEFAULT_ORIGIN_TIMEOUT_S
) -> HookSettings:
    """The settings of a verified variant. Raises ``InvalidInputError`` if ``origin`` is not ``http(s)://host[:port]``."""
    manifest, contract = variant.manifest, variant.contract
    return HookSettings(
        model=manifest.name,
        version=manifest.version,
        profile=manifest.profile,
        bundle_digest=variant.bundle_digest,
        variant_digest=variant.variant_digest,
        model_digest=manifest.model_digest,
        contract_digest=manifest.contract_digest,
        origin=check_origin(origin),
        origin_timeout_ms=round(origin_timeout_s * 1000),
        recheck_ms=round(RECHECK_S * 1000),
        max_batch=contract.limits.max_batch,
        max_body_bytes=contract.limits.max_body_bytes,
        inputs=tuple(HookInput(name=rule.name, dtype=rule.dtype, shape=rule.shape) for rule in contract.inputs),
        outputs=tuple(HookOutput(name=rule.name, dtype=rule.dtype) for rule in contract.outputs),
        cache=cache_decision(contract, manifest.numeric_class, variant.variant_digest),
    )


def cache_decision(contract: Contract, numeric_class: NumericClass, variant_digest: str) -> HookCache:
    """Whether the CDN may repeat answers (design, section 6): never against the contract, never unless bit-equal."""
    reason = _why_not(contract, numeric_class)
    return HookCache(
        enabled=not reason,
        reason=reason,
        scope=cache_scope(numeric_class, variant_digest),
        ttl_ms=round(contract.cache.ttl_s * 1000),
    )


def _why_not(contract: Contract, numeric_class: NumericClass) -> str:
    if not contract.cache.enabled:
        return "the contract turns the cache off"
    if contract.privacy.sensitive:
        return "the contract calls its inputs and outputs sensitive"
    if numeric_class is NumericClass.APPROXIMATE:
        return "the variant's numeric class is approximate"
    if numeric_class is NumericClass.HOST_EXACT and contract.cache.reuse is not Reuse.CDN:
        return "the variant is host-exact and the contract's cache.reuse is not cdn"
    return ""


def check_origin(origin: str) -> str:
    """The origin as ``scheme://host[:port]``, or ``InvalidInputError``."""
    match = _ORIGIN.fullmatch(origin)
    if match is None or not 1 <= int(match["port"] or 1) <= MAX_PORT:
        raise InvalidInputError(
            file="hook build",
            key="--origin",
            expected="an http or https URL of a host and port",
            got=repr(origin),
            advice="give the agent's base URL, such as https://agent.example:8443",
        )
    return match["origin"]
