"""The conversation with the hub: enrol once, then poll, obey, report."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from edge_agent.config import AgentConfig
from edge_agent.identity import Enrolment, Identity, IdentityStore
from edge_agent.models import ModelTable, Served
from edge_agent.orders import OrderBook, is_final, result_of
from edge_agent.ports import Clock, Disk, HubPort
from edge_agent.schedule import PollSchedule
from edge_agent.store import Store
from edge_agent.texts import carried, one_line
from edge_agent.updater import Journal, Updater
from edge_bundle.errors import InvalidInputError, RefusedError, SkerryError
from edge_bundle.messages import (
    DesiredRelease,
    EnrolRequest,
    EnrolResponse,
    PollRequest,
    PollResponse,
    SlotReport,
    UpdateOutcome,
)

logger = logging.getLogger(__name__)

MAX_TOKEN_BYTES = 1024
"""A token file; white space around the token is left out."""

MIN_TOKEN_CHARS, MAX_TOKEN_CHARS = 16, 256
"""A token, as ``edge_bundle.messages.EnrolRequest`` bounds it."""

MAX_ERROR_CHARS = 2000
"""Last error in the status."""

MAX_FACT_CHARS = 256
"""One fact about the machine, as ``edge_bundle.messages.Line`` bounds it."""


@dataclass(kw_only=True)
class Poller:
    """Polls the hub and applies its orders, one at a time."""

    config: AgentConfig
    profile: str
    agent_version: str
    machine: dict[str, str]
    identity: Identity
    identities: IdentityStore
    disk: Disk
    hub: HubPort
    store: Store
    table: ModelTable
    updater: Updater
    journal: Journal
    clock: Clock
    uniform: Callable[[], float]
    orders: OrderBook = field(default_factory=OrderBook)
    last_contact_ms: int = 0
    last_error: str = ""

    def __post_init__(self) -> None:
        self.schedule = PollSchedule(self.config.hub)
        self._enrolment = self.identities.enrolment(self.config.hub.url)
        self.enrolled = asyncio.Event()
        self.regained = asyncio.Event()  # set when the hub answers again after polls that failed
        if self._enrolment is not None:
            self.enrolled.set()

    @property
    def node_id(self) -> str | None:
        """The name that the hub gave, once enrolled."""
        return None if self._enrolment is None else self._enrolment.node_id

    async def run(self) -> None:
        """Poll for ever; ends by cancellation only."""
        while True:
            await self.tick()
            await asyncio.sleep(self.schedule.wait_s(self.uniform()))

    async def tick(self) -> None:
        """One poll; an error is remembered and makes the next wait longer."""
        try:
            await self.poll_once()
        except SkerryError as error:
            self.schedule.failed()
            self._note(error)

    def _note(self, error: SkerryError) -> None:
        """Remember the error; the log is told only when it is another than the last."""
        advice = f" ({error.advice})" if error.advice else ""
        text = carried(f"{error.name}: {error}{advice}", max_chars=MAX_ERROR_CHARS)
        if text != self.last_error:
            logger.warning("poll failed: %s", text)
        self.last_error = text

    async def poll_once(self) -> None:
        """Enrol if needed, poll, apply every order that is due, and report at once what became of it."""
        node_id = await self._enrol()
        response = await self._poll(node_id)
        for order in response.desired:
            if self.orders.is_due(order, now_ms=self._now_ms()):
                await self._apply(node_id, order)
        if self.orders.pending:
            await self._poll(node_id)

    async def _poll(self, node_id: str) -> PollResponse:
        outcomes = tuple(self.orders.pending)
        response = await self.hub.poll(node_id, self._request(outcomes))
        self.orders.delivered(outcomes)
        if self.last_error:
            logger.info("the hub answers again after %d failed polls", self.schedule.failures)
            self.regained.set()
        self.schedule.succeeded(response.poll_interval_s)
        self.last_contact_ms, self.last_error = self._now_ms(), ""
        return response

    def _request(self, outcomes: tuple[UpdateOutcome, ...]) -> PollRequest:
        return PollRequest(
            boot_id=self.identity.boot_id,
            agent_version=self.agent_version,
            profile=self.profile,
            slots=self.slot_reports(),
            outcomes=outcomes,
        )

    async def _apply(self, node_id: str, order: DesiredRelease) -> None:
        try:
            await self.updater.apply(node_id, order)
        except SkerryError as error:
            if self.orders.failed(order, error, at_ms=self._now_ms()):
                logger.warning("order %s %s: %s: %s", order.model, order.version, error.name, error)
                self.journal(result_of(error).value, order.model, f"{order.version}: {error.name}: {error}")
            if is_final(error):
                await self.updater.sweep()
            return
        served = self.table.find(order.model)
        why = f"{served.profile} {served.instead_of}" if served and served.instead_of else ""
        self.orders.activated(order, at_ms=self._now_ms(), detail=why)

    async def _enrol(self) -> str:
        if self._enrolment is None:
            request = EnrolRequest(
                token=self._token(),
                node_name=self.config.node_name,
                public_key=self.identity.key.public.to_text(),
                profile=self.profile,
                agent_version=self.agent_version,
                labels=self.config.labels,
                machine={name: one_line(fact, max_chars=MAX_FACT_CHARS) for name, fact in self.machine.items()},
            )
            response = await self._spend(request)
            enrolment = Enrolment(node_id=response.node_id, hub_url=self.config.hub.url)
            self.identities.enrolled(enrolment)
            self._enrolment = enrolment
            logger.info("enrolled as %s", response.node_id)
        self.enrolled.set()
        return self._enrolment.node_id

    async def _spend(self, request: EnrolRequest) -> EnrolResponse:
        try:
            return await self.hub.enrol(request)
        except RefusedError as error:
            reason = error.detail.rpartition(" was refused: ")[2]  # the hub's own sentence says that once already
            raise RefusedError(what="enrolment", detail=reason, advice=self._token_advice()) from error

    def _token_advice(self) -> str:
        file = self.config.hub.token_file
        place = f"write it to {file}" if file else "name the file that holds it in hub.token_file"
        return f"make a new token with `skerry nodes token` and {place}; it is read again at every try"

    def _token(self) -> str:
        file, expected = self.config.hub.token_file, "a file with the one-time token of this node"
        if file is None:
            raise InvalidInputError(
                file="agent.toml", key="hub.token_file", expected=expected, got="nothing", advice=self._token_advice()
            )
        raw = self.disk.read(Path(file), max_bytes=MAX_TOKEN_BYTES)
        if raw is None:
            raise InvalidInputError(file=file, expected=expected, got="no such file", advice=self._token_advice())
        token = raw.decode(errors="replace").strip()
        if not MIN_TOKEN_CHARS <= len(token) <= MAX_TOKEN_CHARS:
            wanted = f"a token of {MIN_TOKEN_CHARS} to {MAX_TOKEN_CHARS} characters"
            got = f"{len(token)} characters"
            raise InvalidInputError(file=file, expected=wanted, got=got, advice=self._token_advice())
        return token

    def slot_reports(self) -> tuple[SlotReport, ...]:
        """What answers right now, per model."""
        return tuple(self._slot_report(self.table.get(name)) for name in self.table.names())

    def _slot_report(self, served: Served) -> SlotReport:
        slots = self.store.slots(served.name)
        held = {slot.variant_digest: slot for slot in (slots.previous, slots.current) if slot is not None}
        slot = held.get(served.variant_digest)
        return SlotReport(
            model=served.name,
            version=served.version,
            bundle_digest=served.bundle_digest,
            variant_digest=served.variant_digest,
            profile=served.manifest.profile,
            runtime=served.manifest.runtime,
            activated_at_ms=slot.activated_at_ms if slot else 0,
            previous_version=slots.previous.version if slots.previous else None,
        )

    def _now_ms(self) -> int:
        return int(self.clock() * 1000)
