"""Round trips and robustness of blobs, archives, goldens, envelopes, cache keys and signed requests."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_bundle.archive import pack, unpack
from edge_bundle.blobs import compress, decompress
from edge_bundle.cache_key import cache_key
from edge_bundle.canonical import decode, dumps
from edge_bundle.contract import Contract, GoldenTolerance, Reuse
from edge_bundle.contract_file import contract_digest, parse_contract
from edge_bundle.contract_rules import check_contract
from edge_bundle.dsse import sign_envelope, verify_envelope
from edge_bundle.errors import RefusedError, SignatureError, SkerryError
from edge_bundle.golden import GoldenVector, check_golden, decode_goldens, encode_goldens
from edge_bundle.http_signature import sign_request, verify_request
from edge_bundle.keys import SigningKey, TrustPolicy
from edge_bundle.tensor import Tensor
from edge_bundle.version import Version
from tests.property.strategies import files, named_tensors, segments

seeds = st.binary(min_size=32, max_size=32)
EXACT = GoldenTolerance(atol=0.0, rtol=0.0)


@settings(deadline=None)
@given(st.binary(max_size=5000))
def test_blobs_round_trip(data: bytes) -> None:
    assert decompress(compress(data), max_bytes=len(data)) == data


@settings(deadline=None)
@given(st.binary(max_size=300), st.integers(0, 10_000), st.integers(1, 255))
def test_damaged_blobs_never_crash_nor_grow(data: bytes, position: int, flip: int) -> None:
    packed = bytearray(compress(data))
    packed[position % len(packed)] ^= flip
    try:
        assert len(decompress(bytes(packed), max_bytes=1000)) <= 1000
    except SkerryError:
        return


@settings(deadline=None)
@given(files)
def test_archives_round_trip(content: dict[str, bytes]) -> None:
    assert unpack(pack(content)) == content


@settings(deadline=None)
@given(files, st.integers(0, 100_000), st.binary(min_size=1, max_size=30))
def test_damaged_archives_give_files_or_a_named_error(content: dict[str, bytes], position: int, noise: bytes) -> None:
    data = bytearray(pack(content))
    at = position % len(data)
    data[at : at + len(noise)] = noise
    try:
        names = unpack(bytes(data))
    except SkerryError:
        return
    assert not any(name.startswith("/") or ".." in name.split("/") for name in names)


@settings(deadline=None)
@given(st.lists(st.tuples(named_tensors, named_tensors), min_size=1, max_size=3))
def test_goldens_round_trip_and_agree_with_themselves(pairs: list[tuple[dict[str, Tensor], dict[str, Tensor]]]) -> None:
    vectors = tuple(GoldenVector(inputs, outputs) for inputs, outputs in pairs)
    assert decode_goldens(encode_goldens(vectors)) == vectors
    for i, vector in enumerate(vectors):
        check_golden(vector.outputs, vector.outputs, EXACT, runtime="test", vector=i)


@settings(deadline=None, max_examples=30)
@given(st.lists(seeds, min_size=1, max_size=5, unique=True), st.data())
def test_threshold_counts_distinct_trusted_keys(all_seeds: list[bytes], data: st.DataObject) -> None:
    keys = [SigningKey.from_seed(seed) for seed in all_seeds]
    threshold = data.draw(st.integers(1, len(keys)))
    signers = data.draw(st.lists(st.sampled_from(keys), min_size=1, max_size=8))
    policy = TrustPolicy(tuple(key.public for key in keys), threshold)
    envelope = sign_envelope("t", b"payload", signers)
    distinct = {key.public.keyid for key in signers}
    if len(distinct) >= threshold:
        assert set(verify_envelope(envelope, policy, subject="e").keyids) == distinct
    else:
        with pytest.raises(SignatureError):
            verify_envelope(envelope, policy, subject="e")


@settings(deadline=None, max_examples=50)
@given(st.binary(max_size=50), st.integers(0, 10_000), st.integers(1, 255))
def test_damaged_envelopes_never_verify_as_something_else(payload: bytes, position: int, flip: int) -> None:
    key = SigningKey.from_seed(bytes(32))
    data = bytearray(sign_envelope("t", payload, [key]))
    data[position % len(data)] ^= flip
    try:
        verified = verify_envelope(bytes(data), TrustPolicy((key.public,), 1), subject="e")
    except SkerryError:
        return
    assert (verified.payload_type, verified.payload) == ("t", payload)


@settings(deadline=None)
@given(named_tensors, named_tensors)
def test_cache_keys_are_equal_only_for_equal_inputs(first: dict[str, Tensor], second: dict[str, Tensor]) -> None:
    def key(inputs: dict[str, Tensor]) -> str:
        return cache_key(model_digest="m", scope="s", contract_digest="c", hook_digest="", inputs=list(inputs.items()))

    assert (key(first) == key(second)) == (list(first.items()) == list(second.items()))


@settings(deadline=None, max_examples=50)
@given(
    st.binary(max_size=100),
    segments,
    st.integers(0, 2**33),
    st.integers(-300, 300),
    st.integers(0, 2),
    st.integers(0, 500),
)
def test_signed_requests(body: bytes, node: str, created: int, skew: int, header: int, position: int) -> None:
    key = SigningKey.from_seed(bytes(32))
    headers = sign_request(key, node.strip("_") or "n", "POST", "/v1/x", body, created)
    lookup = {node.strip("_") or "n": key.public}.get
    assert verify_request(headers, "POST", "/v1/x", body, lookup, created + skew)
    name = sorted(headers)[header]
    at = position % len(headers[name])
    damaged = headers | {name: headers[name][:at] + "~" + headers[name][at + 1 :]}
    with pytest.raises(RefusedError):
        verify_request(damaged, "POST", "/v1/x", body, lookup, created)


@settings(deadline=None)
@given(st.tuples(*[st.integers(0, 10**9 - 1)] * 3), st.tuples(*[st.integers(0, 10**9 - 1)] * 3))
def test_versions_order_like_their_numbers(a: tuple[int, ...], b: tuple[int, ...]) -> None:
    first, second = (Version.parse(".".join(map(str, v))) for v in (a, b))
    assert (first < second) == (a < b)
    assert Version.parse(str(first)) == first


contract_values = st.fixed_dictionaries(
    {
        "name": st.from_regex(r"[a-z0-9][a-z0-9._-]{0,62}", fullmatch=True),
        "owner": st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30),
        "minimum": st.floats(-3e38, 0),
        "maximum": st.floats(0, 3e38),
        "ttl_s": st.floats(1e-9, 1e300),
        "max_batch": st.integers(1, 4096),
        "reuse": st.sampled_from(Reuse),
    }
)


@settings(deadline=None)
@given(contract_values)
def test_contracts_survive_toml_and_canonical_json(values: dict[str, object]) -> None:
    quoted = {key: json.dumps(value, ensure_ascii=False) for key, value in values.items()}
    quoted["owner"] = quoted["owner"].replace("\x7f", "\\u007f")  # TOML wants it escaped, JSON does not
    text = f"""
schema = 1
name = {quoted["name"]}
version = "1.0.0"
owner = {quoted["owner"]}
[[inputs]]
name = "x"
dtype = "FP32"
shape = [-1, 4]
minimum = {quoted["minimum"]}
maximum = {quoted["maximum"]}
[[outputs]]
name = "y"
dtype = "FP32"
shape = [-1, 2]
[accuracy]
output = "y"
[limits]
max_batch = {quoted["max_batch"]}
[cache]
ttl_s = {quoted["ttl_s"]}
reuse = {quoted["reuse"]}
"""
    contract = parse_contract(text, file="contract.toml")
    check_contract(contract, file="contract.toml")
    again = decode(dumps(contract), Contract, what="contract")
    assert again == contract
    assert contract_digest(again) == contract_digest(contract)
    assert (again.owner, again.cache.ttl_s) == (values["owner"], values["ttl_s"])


@settings(deadline=None)
@given(st.text(max_size=300))
def test_any_text_gives_a_contract_or_a_named_error(text: str) -> None:
    with pytest.raises(SkerryError, match=r"contract\.toml"):
        parse_contract(text, file="contract.toml")
