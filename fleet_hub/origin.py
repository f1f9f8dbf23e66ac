"""What a release says of its making, read from its own provenance envelope; the hub has no key to verify it."""

from __future__ import annotations

import base64
import binascii

import msgspec

from edge_bundle import canonical
from edge_bundle.attestation import Provenance, check_subject, parse_provenance
from edge_bundle.dsse import Envelope
from edge_bundle.errors import FormatError
from edge_bundle.layout import BlobSource
from edge_bundle.limits import MAX_ENVELOPE_BYTES, MAX_INDEX_BYTES
from edge_bundle.release_documents import parse_release_index
from fleet_hub.api import ReleaseDetail, ReleaseRow


def describe(row: ReleaseRow, blobs: BlobSource) -> ReleaseDetail:
    """The row with what the provenance says. Blocks on the disk.

    Raises NotFoundError for a blob that is gone, FormatError, LimitExceededError, or SubjectMismatchError for a
    provenance of another bundle.
    """
    index = parse_release_index(blobs.read(row.index_digest, max_bytes=MAX_INDEX_BYTES))
    data = blobs.read(index.provenance.digest, max_bytes=MAX_ENVELOPE_BYTES)
    envelope = canonical.decode(data, Envelope, what="provenance envelope", max_bytes=MAX_ENVELOPE_BYTES)
    provenance = _provenance(envelope, row)
    return ReleaseDetail(
        **msgspec.structs.asdict(row),
        made_from=provenance.digests,
        toolchain=provenance.run_details.builder.version,
        signed_by=tuple(sorted({signature.keyid for signature in envelope.signatures})),
    )


def _provenance(envelope: Envelope, row: ReleaseRow) -> Provenance:
    try:
        payload = base64.b64decode(envelope.payload, validate=True)
    except binascii.Error as error:
        raise FormatError(what="provenance payload", expected="base64", got=str(error)) from None
    statement = parse_provenance(payload)
    check_subject(statement, name=row.model, version=row.version, bundle_digest=row.bundle_digest)
    return statement.predicate
