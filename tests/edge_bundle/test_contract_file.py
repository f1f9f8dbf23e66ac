"""contract.toml: good files, and every mistake answered with the file, the key and plain words."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from edge_bundle.canonical import decode, dumps
from edge_bundle.contract import Contract, OnViolation, Reuse
from edge_bundle.contract_file import contract_digest, contract_json_schema, load_contract, parse_contract
from edge_bundle.digest import sha256_digest
from edge_bundle.errors import InvalidInputError, LimitExceededError, NotFoundError
from edge_bundle.limits import MAX_CONTRACT_BYTES
from tests.edge_bundle.samples import CONTRACT_TOML, sample_contract

FULL = (
    CONTRACT_TOML
    + """\
metric = "top1"
max_drop = 0.01

[latency]
p99_ms = 5

[limits]
max_batch = 32
max_body_bytes = 1048576

[cache]
enabled = true
ttl_s = 60
max_entries = 100
reuse = "cdn"
allow_approximate = false

[privacy]
sensitive = false

[golden]
atol = 0.001
rtol = 0
"""
)


def test_minimal_contract_has_the_documented_defaults() -> None:
    contract = sample_contract()
    assert contract.inputs[0].on_violation is OnViolation.CLIP
    assert contract.outputs[0].on_violation is OnViolation.REJECT
    assert (contract.accuracy.max_drop, contract.limits.max_batch, contract.cache.reuse) == (0.005, 64, Reuse.NODE)
    assert contract.latency is None


def test_every_key_is_read() -> None:
    contract = parse_contract(FULL, file="contract.toml")
    assert contract.latency is not None
    assert (contract.latency.p99_ms, contract.cache.reuse, contract.cache.ttl_s) == (5.0, Reuse.CDN, 60.0)


@pytest.mark.parametrize("text", [CONTRACT_TOML, FULL], ids=["minimal", "full"])
def test_canonical_json_round_trip(text: str) -> None:
    contract = parse_contract(text, file="contract.toml")
    data = dumps(contract)
    assert decode(data, Contract, what="contract") == contract
    assert contract_digest(contract) == sha256_digest(data)


def test_digest_ignores_how_the_file_is_written() -> None:
    other = CONTRACT_TOML.replace("minimum = 0.0", "minimum = 0   # floor").replace("[-1, 1, 8, 8]", "[ -1,1,8, 8 ]")
    assert other != CONTRACT_TOML
    assert contract_digest(parse_contract(other, file="a")) == contract_digest(sample_contract())


def test_json_schema_is_strict_and_names_every_key() -> None:
    schema = json.loads(json.dumps(contract_json_schema()))
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert all(
        part["additionalProperties"] is False for part in schema["$defs"].values() if part.get("type") == "object"
    )
    top = schema["$defs"]["Contract"]
    assert top["properties"].keys() == set(Contract.__struct_fields__)
    assert set(top["required"]) == {"schema", "name", "version", "owner", "inputs", "outputs", "accuracy"}
    assert schema["$defs"]["OnViolation"]["enum"] == ["clip", "flag", "reject"]


INPUT_END = 'on_violation = "clip"\n'
SHAPE = "[-1, 1, 8, 8]"

# Text to replace, replacement, key named, expected, got, advice ("" when none is given).
MISTAKES: dict[str, tuple[str, str, str, str, str, str]] = {
    "unknown_key": ("owner =", "ownr =", "ownr", "a key of the contract", "an unknown key", "did you mean 'owner'?"),
    "unknown_table": ("[accuracy]", "[acuracy]", "acuracy", "a key of the contract", "an unknown key", "did you mean 'accuracy'?"),
    "unknown_key_in_table": ("minimum = 0.9", "max_dorp = 0.1", "accuracy.max_dorp", "a key", "an unknown key", "did you mean 'max_drop'?"),
    "unknown_key_in_list": ("maximum = 16.0", "maximun = 16.0", "inputs[0].maximun", "a key", "an unknown key", "did you mean 'maximum'?"),
    "unknown_key_like_no_other": ("owner =", "zzzzz =", "zzzzz", "a key", "an unknown key", "the keys here are: schema, name, version,"),
    "unknown_key_in_optional_table": ("[accuracy]", "[latency]\np99 = 1\n[accuracy]", "latency.p99", "a key", "an unknown key", "did you mean 'p99_ms'?"),
    "missing_key": ('owner = "vision team"\n', "", "owner", "a value", "no such key", ""),
    "missing_key_in_table": ('output = "logits"\n', "", "accuracy.output", "a value", "no such key", ""),
    "wrong_schema": ("schema = 1", "schema = 2", "schema", "a whole number <= 1", "2", ""),
    "wrong_type_text": ('owner = "vision team"', "owner = 7", "owner", "text", "7", ""),
    "wrong_type_list": (SHAPE, '"1x8x8"', "inputs[0].shape", "a list", "'1x8x8'", ""),
    "wrong_type_number": ("minimum = 0.9", 'minimum = "90%"', "accuracy.minimum", "a number", "'90%'", ""),
    "wrong_type_whole_number": (SHAPE, "[-1, 1.5, 8, 8]", "inputs[0].shape[1]", "a whole number", "1.5", ""),
    "wrong_type_bool": ("[accuracy]", "[cache]\nenabled = 1\n[accuracy]", "cache.enabled", "true or false", "1", ""),
    "wrong_type_table": ("schema = 1", "schema = 1\nlimits = true", "limits", "a table", "true", ""),
    "table_for_text": ('owner = "vision team"', "owner = {}", "owner", "text", "a table", ""),
    "bad_name": ('name = "digits"', 'name = "Digits"', "name", "a name of lower-case letters", "'Digits'", ""),
    "name_with_newline": ('name = "digits"', 'name = "digits\\n"', "name", "a name of lower-case letters", r"'digits\n'", ""),
    "name_with_path": ('name = "digits"', 'name = "../digits"', "name", "a name of lower-case letters", "'../digits'", ""),
    "reserved_name": ('name = "digits"', 'name = "stats"', "name", "a name that no endpoint of the agent has", "'stats'", ""),
    "bad_version": ('version = "1.0.0"', 'version = "1.0"', "version", "three numbers like '1.4.0'", "'1.0'", ""),
    "bad_dtype": ('dtype = "FP32"', 'dtype = "float32"', "inputs[0].dtype", "one of BOOL, UINT8", "'float32'", ""),
    "dtype_in_lower_case": ('dtype = "FP32"', 'dtype = "fp32"', "inputs[0].dtype", "one of BOOL, UINT8", "'fp32'", "did you mean 'FP32'?"),
    "bad_on_violation": ('"clip"', '"clamp"', "inputs[0].on_violation", "one of reject, clip, flag", "'clamp'", "did you mean 'clip'?"),
    "no_inputs": ("[[inputs]]", "inputs = []\n[[inputs2]]", "inputs", "a list of length >= 1", "a list of 0", ""),
    "empty_owner": ('"vision team"', '""', "owner", "text of length >= 1", "''", ""),
    "long_owner": ("vision team", "v" * 201, "owner", "text of length <= 200", "text of 201 characters", ""),
    "fraction_above_one": ("minimum = 0.9", "minimum = 90", "accuracy.minimum", "a share between 0 and 1", "90", ""),
    "rank_too_high": (SHAPE, "[1, 1, 1, 1, 1, 1, 1, 1, 1]", "inputs[0].shape", "a list of length <= 8", "a list of 9", ""),
    "batch_too_big": ("[accuracy]", "[limits]\nmax_batch = 5000\n[accuracy]", "limits.max_batch", "a whole number <= 4096", "5000", ""),
    # contract_rules
    "repeated_input": (INPUT_END, INPUT_END + '[[inputs]]\nname = "image"\ndtype = "FP32"\nshape = [1]\n', "inputs[1].name", "names that differ", "'image' twice", ""),
    "dynamic_beyond_batch": (SHAPE, "[-1, 1, -1, 8]", "inputs[0].shape[2]", "a fixed dimension (only the first may be -1)", "-1", ""),
    "zero_dimension": (SHAPE, "[-1, 0, 8, 8]", "inputs[0].shape[1]", "a dimension of at least 1", "0", ""),
    "output_batch_from_nowhere": (SHAPE, "[1, 1, 8, 8]", "outputs", "a fixed first dimension", "-1 in 'logits'", ""),
    "impossible_range": ("minimum = 0.0", "minimum = 17", "inputs[0].minimum", "at most the maximum, 16", "17", ""),
    "infinite_range": ("maximum = 16.0", "maximum = inf", "inputs[0].maximum", "a finite number", "inf", ""),
    "nan_range": ("minimum = 0.0", "minimum = nan", "inputs[0].minimum", "a finite number", "nan", ""),
    "clip_without_bound": ("minimum = 0.0\nmaximum = 16.0\n", "", "inputs[0].on_violation", "a minimum or a maximum to clip to", "neither", ""),
    "accuracy_of_no_output": ('output = "logits"', 'output = "probabilities"', "accuracy.output", "one of the outputs: logits", "'probabilities'", ""),
    "infinite_ttl": ("[accuracy]", "[cache]\nttl_s = inf\n[accuracy]", "cache.ttl_s", "a finite number", "inf", ""),
    "sensitive_in_cdn": ("[accuracy]", '[privacy]\nsensitive = true\n[cache]\nreuse = "cdn"\n[accuracy]', "cache.reuse", "'node'", "'cdn'", ""),
    "not_toml": ("schema = 1", "schema : 1", "", "TOML", "an error", ""),
    "key_twice": ("schema = 1", "schema = 1\nschema = 1", "", "TOML", "an error", ""),
    "deep_nesting": ("schema = 1", "schema = " + "[" * 20_000, "", "TOML", "an error", ""),
}  # fmt: skip


@pytest.mark.parametrize(
    ("old", "new", "key", "expected", "got", "advice"),
    [pytest.param(*case, id=name) for name, case in MISTAKES.items()],
)
def test_mistakes(old: str, new: str, key: str, expected: str, got: str, advice: str) -> None:
    assert old in CONTRACT_TOML
    with pytest.raises(InvalidInputError) as caught:
        parse_contract(CONTRACT_TOML.replace(old, new, 1), file="contract.toml")
    error = caught.value
    assert (error.file, error.key) == ("contract.toml", key)
    assert error.expected.startswith(expected)
    assert error.got.startswith(got)
    assert error.advice.startswith(advice)
    assert "`" not in str(error)


RANGES = {
    "below_int8": ("INT8", "minimum = -129", "inputs[0].minimum", "a value that INT8 can hold"),
    "above_uint8": ("UINT8", "maximum = 256", "inputs[0].maximum", "a value that UINT8 can hold"),
    "negative_for_unsigned": ("UINT64", "minimum = -1", "inputs[0].minimum", "a value that UINT64 can hold"),
    "fraction_for_integer": ("INT32", "maximum = 1.5", "inputs[0].maximum", "a whole number for INT32"),
    "beyond_fp16": ("FP16", "maximum = 1e5", "inputs[0].maximum", "a value that FP16 can hold"),
    "beyond_fp32": ("FP32", "maximum = 1e39", "inputs[0].maximum", "a value that FP32 can hold"),
    "range_for_bool": ("BOOL", "maximum = 1", "inputs[0].maximum", "no range for BOOL"),
    "nan_for_integer": ("INT8", "allow_nan = true", "inputs[0].allow_nan", "false, because the dtype has no NaN"),
}


@pytest.mark.parametrize(
    ("dtype", "line", "key", "expected"), [pytest.param(*case, id=name) for name, case in RANGES.items()]
)
def test_ranges_fit_their_dtype(dtype: str, line: str, key: str, expected: str) -> None:
    text = CONTRACT_TOML.replace('dtype = "FP32"', f'dtype = "{dtype}"', 1)
    text = text.replace('minimum = 0.0\nmaximum = 16.0\non_violation = "clip"\n', line + "\n")
    with pytest.raises(InvalidInputError) as caught:
        parse_contract(text, file="contract.toml")
    assert (caught.value.key, caught.value.expected) == (key, expected)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match=r"contract file named .*absent\.toml"):
        load_contract(tmp_path / "absent.toml")
    with pytest.raises(InvalidInputError, match="a readable file"):
        load_contract(tmp_path)
    path = tmp_path / "contract.toml"
    path.write_bytes(b'name = "\xff"')
    with pytest.raises(InvalidInputError, match="UTF-8 text, got byte 0xff at offset 8"):
        load_contract(path)
    path.write_bytes(b"#" * (MAX_CONTRACT_BYTES + 1))
    with pytest.raises(LimitExceededError):
        load_contract(path)
    path.write_text(CONTRACT_TOML)
    assert load_contract(path) == sample_contract()
