"""Signed requests: the RFC's signature base by hand, and everything that must be refused."""

from __future__ import annotations

import base64
from collections.abc import Mapping

import pytest

from edge_bundle.errors import FormatError, RefusedError
from edge_bundle.http_signature import CLOCK_WINDOW_S, content_digest, sign_request, verify_request
from tests.edge_bundle.samples import ALICE, BOB

NOW = 1_800_000_000
PATH = "/v1/nodes/node-1/poll"
BODY = b'{"boot_id":"b1"}'
NODES = {"node-1": ALICE.public, "node-2": BOB.public, ALICE.public.keyid: ALICE.public}


def signed(node_id: str = "node-1", created: float = NOW) -> dict[str, str]:
    return sign_request(ALICE, node_id, "POST", PATH, BODY, created)


def verify(
    headers: Mapping[str, str], *, method: str = "POST", path: str = PATH, body: bytes = BODY, now: float = NOW
) -> str:
    return verify_request(headers, method, path, body, NODES.get, now)


def test_good_request_names_its_node() -> None:
    assert verify(signed()) == "node-1"
    assert verify(signed(ALICE.public.keyid)) == ALICE.public.keyid


def test_header_names_ignore_case() -> None:
    assert verify({name.upper(): value for name, value in signed().items()}) == "node-1"
    assert verify({name.lower(): value for name, value in signed().items()}) == "node-1"


def test_signature_base_is_that_of_rfc_9421_section_2_5() -> None:
    headers = signed()
    base = (
        '"@method": POST\n'
        f'"@path": {PATH}\n'
        f'"content-digest": {content_digest(BODY)}\n'
        f'"@signature-params": ("@method" "@path" "content-digest");created={NOW};keyid="node-1";alg="ed25519"'
    )
    signature = base64.b64decode(headers["Signature"].removeprefix("sig1=:").removesuffix(":"))
    assert ALICE.public.verify(base.encode(), signature)


def test_content_digest_of_rfc_9530_appendix_b() -> None:
    # RFC 9530 appendix B.1: {"hello": "world"} and a newline
    assert content_digest(b'{"hello": "world"}\n') == "sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:"


@pytest.mark.parametrize("skew", [-CLOCK_WINDOW_S, 0, CLOCK_WINDOW_S])
def test_clocks_may_differ_by_the_window(skew: int) -> None:
    assert verify(signed(), now=NOW + skew) == "node-1"


def changed(header: str, old: str, new: str) -> dict[str, str]:
    headers = signed()
    assert old in headers[header]
    return headers | {header: headers[header].replace(old, new)}


def without(header: str) -> dict[str, str]:
    return {name: value for name, value in signed().items() if name != header}


@pytest.mark.parametrize(
    ("headers", "message"),
    [
        pytest.param({}, "one signature-input header, got 0", id="unsigned"),
        pytest.param(without("Signature"), "one signature header, got 0", id="no_signature"),
        pytest.param(without("Content-Digest"), "one content-digest header, got 0", id="no_digest"),
        pytest.param(signed() | {"signature": "x"}, "one signature header, got 2", id="two_signatures"),
        pytest.param(signed("node-9"), "unknown node node-9", id="unknown_node"),
        pytest.param(signed("node-2"), "does not hold", id="key_of_another_node"),
        pytest.param(changed("Signature-Input", "node-1", "node-2"), "does not hold", id="swapped_keyid"),
        pytest.param(changed("Signature-Input", "ed25519", "hmac-sha256"), "expected alg ed25519", id="other_alg"),
        pytest.param(changed("Signature-Input", ' "content-digest"', ""), "another form", id="body_not_covered"),
        pytest.param(changed("Signature-Input", '"@path"', '"@path";req'), "another form", id="component_parameter"),
        pytest.param(changed("Signature-Input", str(NOW), str(NOW + 1)), "does not hold", id="created_moved"),
        pytest.param(changed("Signature-Input", "created=", "created=-"), "another form", id="negative_created"),
        pytest.param(changed("Signature-Input", "sig1", "sig2"), "another form", id="other_label"),
        pytest.param(changed("Signature-Input", "node-1", "n" * 600), "another form", id="huge_length"),
        pytest.param(changed("Signature", ":", ""), "another form", id="not_a_byte_sequence"),
        pytest.param(changed("Signature", "==", "AA"), "signature does not hold", id="signature_of_66_bytes"),
        pytest.param(changed("Signature", "==", "A="), "does not hold", id="signature_of_65_bytes"),
        pytest.param(changed("Signature", "sig1=:", "sig1=:="), "another form", id="signature_too_long"),
    ],
)
def test_anything_off_is_refused(headers: dict[str, str], message: str) -> None:
    with pytest.raises(RefusedError, match=message):
        verify(headers)


@pytest.mark.parametrize(
    ("case", "message"),
    [
        pytest.param({"method": "PUT"}, "does not hold", id="other_method"),
        pytest.param({"path": "/v1/nodes/node-2/poll"}, "does not hold", id="other_path"),
        pytest.param({"body": b"{}"}, "differs from its Content-Digest", id="other_body"),
        pytest.param({"now": NOW + CLOCK_WINDOW_S + 1}, "created -301 s", id="replayed_later"),
        pytest.param({"now": NOW - CLOCK_WINDOW_S - 1}, r"created \+301 s", id="from_the_future"),
    ],
)
def test_moved_requests_are_refused(case: dict[str, object], message: str) -> None:
    with pytest.raises(RefusedError, match=message):
        verify(signed(), **case)  # type: ignore[arg-type]


@pytest.mark.parametrize("path", ["/v1/x?y=1", "/v1/x#y", "v1/x", ""])
def test_paths_that_the_signature_would_not_cover(path: str) -> None:
    with pytest.raises(FormatError, match="without query"):
        sign_request(ALICE, "node-1", "GET", path, b"", NOW)


def test_node_ids_cannot_break_out_of_the_header() -> None:
    with pytest.raises(FormatError, match="a node id"):
        sign_request(ALICE, 'node-1";alg="none', "GET", "/v1/x", b"", NOW)
