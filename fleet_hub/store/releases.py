"""Admitted releases and their variants."""

from __future__ import annotations

from sqlalchemy import Connection, Row, insert, select

from edge_bundle.errors import ConflictError, NotFoundError
from fleet_hub.api import ReleaseRow, VariantRow
from fleet_hub.store import audit_log
from fleet_hub.store.tables import releases, variants


def add(connection: Connection, release: ReleaseRow) -> None:
    """Register a release; adding the very same one again changes nothing.

    Raises ConflictError: this version exists with another bundle.
    """
    known = _find(connection, release.model, release.version)
    if known is not None:
        if known.index_digest != release.index_digest:
            raise ConflictError(
                what=f"release {release.model} {release.version}",
                expected=known.index_digest,
                got=release.index_digest,
                advice="a release is never changed; publish a higher version",
            )
        return
    values = {name: getattr(release, name) for name in releases.c.keys()}  # noqa: SIM118 - a column collection
    connection.execute(insert(releases).values(values))
    for variant in release.variants:
        connection.execute(
            insert(variants).values(
                model=release.model,
                version=release.version,
                profile=variant.profile,
                variant_digest=variant.variant_digest,
                size_bytes=variant.size_bytes,
            )
        )
    audit_log.append(
        connection,
        at_ms=release.admitted_at_ms,
        actor=release.admitted_by,
        action="release.admit",
        subject=f"{release.model}/{release.version}",
        detail={"bundle_digest": release.bundle_digest, "team_role": release.team_role},
    )


def get(connection: Connection, model: str, version: str) -> ReleaseRow:
    """One release with its variants.

    Raises NotFoundError.
    """
    row = _find(connection, model, version)
    if row is None:
        raise NotFoundError(what="release", name=f"{model} {version}", advice="publish it first")
    return _release(connection, row)


def all_releases(connection: Connection) -> tuple[ReleaseRow, ...]:
    """Every release, in the order of admission."""
    rows = connection.execute(select(releases).order_by(releases.c.admitted_at_ms, releases.c.model))
    return tuple(_release(connection, row) for row in rows.all())


def _find(connection: Connection, model: str, version: str) -> Row[tuple[object, ...]] | None:
    return connection.execute(select(releases).where(releases.c.model == model, releases.c.version == version)).first()


def _release(connection: Connection, row: Row[tuple[object, ...]]) -> ReleaseRow:
    found = connection.execute(
        select(variants.c.profile, variants.c.variant_digest, variants.c.size_bytes)
        .where(variants.c.model == row.model, variants.c.version == row.version)
        .order_by(variants.c.profile)
    )
    return ReleaseRow(**row._mapping, variants=tuple(VariantRow(**variant._mapping) for variant in found))  # noqa: SLF001
