"""``contract.toml``: strict reading, errors in plain words with the file and the key, digest and JSON Schema."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from edge_bundle.canonical import dumps
from edge_bundle.contract import Contract
from edge_bundle.contract_rules import check_contract
from edge_bundle.digest import Digest, sha256_digest
from edge_bundle.limits import MAX_CONTRACT_BYTES
from edge_bundle.strict_toml import load_toml, parse_toml

_HOW_TO = "write one: docs/contract.md lists its keys, examples/digits/contract.toml is one"


def load_contract(path: str | Path) -> Contract:
    """Read and check a contract file. Raises ``NotFoundError``, ``InvalidInputError`` or ``LimitExceededError``."""
    contract = load_toml(path, Contract, what="contract", max_bytes=MAX_CONTRACT_BYTES, advice=_HOW_TO)
    check_contract(contract, file=str(path))
    return contract


def parse_contract(text: str, *, file: str) -> Contract:
    """Parse and check contract TOML; ``file`` is named in errors.

    Raises ``InvalidInputError`` or ``LimitExceededError``.
    """
    contract = parse_toml(text, Contract, file=file, what="contract", max_bytes=MAX_CONTRACT_BYTES)
    check_contract(contract, file=file)
    return contract


def contract_digest(contract: Contract) -> Digest:
    """SHA-256 of the contract's canonical JSON: the contract blob of a bundle has this digest."""
    return sha256_digest(dumps(contract))


def contract_json_schema() -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of ``contract.toml``, generated from the Structs, for editors and the docs."""
    schema = msgspec.json.schema(Contract)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "Skerry contract", **schema}
