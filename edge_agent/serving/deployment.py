"""What serving keeps beside each variant in the table: prepared checks, cache, engine runner and meter."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass

from edge_agent.models import ModelTable, Served
from edge_agent.serving.cache import OutputCache
from edge_agent.serving.flights import Flights
from edge_agent.serving.runner import EngineRunner
from edge_agent.serving.settings import ServingSettings
from edge_agent.serving.tensor_check import TensorCheck
from edge_agent.serving.wanted import WantedOutput
from edge_agent.telemetry.recorder import Recorder
from edge_bundle.cache_key import CacheKeys, cache_scope
from edge_bundle.manifest import NumericClass


@dataclass(frozen=True, eq=False, slots=True)
class ReuseState:
    """Cache, flights and cache keys of one variant; ``recheck`` asks that answers repeat."""

    cache: OutputCache
    flights: Flights
    keys: CacheKeys
    recheck: bool


class Deployment:
    """One variant as the pipeline sees it. It lives as long as the variant is current or has requests in flight."""

    def __init__(
        self,
        served: Served,
        recorder: Recorder,
        settings: ServingSettings,
        executor: Executor,
        clock_s: Callable[[], float],
    ) -> None:
        contract, batch = served.contract, served.contract.limits.max_batch
        self.served = served
        self.meter = recorder.meter(served)
        self.runner = EngineRunner(served, settings, executor)
        self.reuse = _reuse_state(served, settings, clock_s)
        self.input_checks = {rule.name: TensorCheck(rule, "input", max_batch=batch) for rule in contract.inputs}
        self.output_checks = {rule.name: TensorCheck(rule, "output", max_batch=batch) for rule in contract.outputs}
        self.all_outputs = {
            binary: tuple(WantedOutput(name, binary) for name in self.output_checks) for binary in (False, True)
        }
        self.ranged_inputs = tuple(check for check in self.input_checks.values() if check.rule.has_range)
        self.headers = {
            "Skerry-Release": f"{served.name}/{served.version}",
            "Skerry-Variant": served.variant_digest,
        }
        self.max_body_bytes = contract.limits.max_body_bytes

    def require_reuse(self) -> ReuseState:
        """The reuse state of a variant that has one."""
        if self.reuse is None:
            raise RuntimeError("this variant's answers are not reused")
        return self.reuse


class Deployments:
    """Deployments of the variants in the table, made at a variant's first request."""

    def __init__(
        self,
        table: ModelTable,
        recorder: Recorder,
        settings: ServingSettings,
        executor: Executor,
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._table, self._recorder, self._settings = table, recorder, settings
        self._executor, self._clock_s = executor, clock_s
        self._current: dict[str, Deployment] = {}

    def get(self, name: str, version: str | None = None) -> Deployment:
        """The deployment that answers for a model. Raises ``NotFoundError``."""
        served = self._table.get(name, version)
        current = self._current.get(name)
        if current is None or current.served is not served:
            current = Deployment(served, self._recorder, self._settings, self._executor, self._clock_s)
            self._current[name] = current
        return current

    def all(self) -> tuple[Deployment, ...]:
        """Every current deployment, by model name; those of removed models are forgotten."""
        names = self._table.names()
        self._current = {name: deployment for name, deployment in self._current.items() if name in names}
        return tuple(self.get(name) for name in names)


def _reuse_state(served: Served, settings: ServingSettings, clock_s: Callable[[], float]) -> ReuseState | None:
    policy, numeric_class = served.contract.cache, served.manifest.numeric_class
    approximate = numeric_class is NumericClass.APPROXIMATE
    if not policy.enabled or (approximate and not policy.allow_approximate):
        return None
    cache = OutputCache(
        clock_s=clock_s, ttl_s=policy.ttl_s, max_entries=policy.max_entries, max_bytes=settings.cache_max_bytes
    )
    keys = CacheKeys(
        model_digest=served.model_digest,
        scope=cache_scope(numeric_class, served.variant_digest),
        contract_digest=served.contract_digest,
        hook_digest="",
        input_count=len(served.contract.inputs),
    )
    return ReuseState(cache=cache, flights=Flights(), keys=keys, recheck=not approximate)
