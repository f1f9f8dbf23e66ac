"""What serving tests share: small contracts, engines written in Python, and a real server on loopback."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import struct
import threading
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any

from aiohttp import ClientSession, web

from edge_agent.models import ModelTable, Served
from edge_agent.serving.app import build_app, build_runner
from edge_agent.serving.settings import ServingSettings
from edge_agent.telemetry.recorder import Recorder
from edge_bundle.contract import AccuracyTarget, CachePolicy, Contract, Limits, OnViolation, TensorRule
from edge_bundle.manifest import NumericClass, Precision, VariantManifest
from edge_bundle.tensor import DType, Tensor, TensorSpec

INPUT, OUTPUT = "x", "y"
WIDTH = 4


class ScaleEngine:
    """``y = factor * x`` on FP32 rows of four; counts its runs. Plain Python, so that numpy plays no part."""

    runtime_version = "1"
    placement = None

    def __init__(self, factor: float = 2.0) -> None:
        self.factor = factor
        self.runs = 0
        self.closed = False
        self.inputs = (TensorSpec(name=INPUT, dtype=DType.FP32, shape=(-1, WIDTH)),)
        self.outputs = (TensorSpec(name=OUTPUT, dtype=DType.FP32, shape=(-1, WIDTH)),)

    def run(self, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        assert not self.closed, "run after close"
        self.runs += 1
        tensor = inputs[INPUT]
        values = floats(tensor)
        return {OUTPUT: fp32([self.factor * value for value in values], tensor.shape)}

    def close(self) -> None:
        assert not self.closed, "closed twice"
        self.closed = True


class DriftingEngine(ScaleEngine):
    """Never gives the same answer twice."""

    def run(self, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        self.factor += 1.0
        return super().run(inputs)


class GatedEngine(ScaleEngine):
    """Runs only once ``gate`` is open; raises ``failure`` if there is one."""

    def __init__(self, failure: Exception | None = None) -> None:
        super().__init__()
        self.gate = threading.Event()
        self.failure = failure

    def run(self, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        assert self.gate.wait(30), "the gate stayed shut"
        if self.failure is not None:
            raise self.failure
        return super().run(inputs)


class AnswerEngine(ScaleEngine):
    """Answers with fixed tensors, right or wrong."""

    def __init__(self, answer: dict[str, Tensor]) -> None:
        super().__init__()
        self.answer = answer

    def run(self, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        self.runs += 1
        return self.answer


def fp32(values: Sequence[float], shape: tuple[int, ...] | None = None) -> Tensor:
    data = struct.pack(f"<{len(values)}f", *values)
    return Tensor(DType.FP32, shape or (len(values) // WIDTH, WIDTH), data)


def floats(tensor: Tensor) -> list[float]:
    return list(struct.unpack(f"<{len(tensor.data) // 4}f", tensor.data))


def rule(name: str = INPUT, **changes: Any) -> TensorRule:
    return TensorRule(**{"name": name, "dtype": DType.FP32, "shape": (-1, WIDTH), **changes})


def contract(
    *,
    inputs: tuple[TensorRule, ...] = (rule(minimum=-100.0, maximum=100.0),),
    outputs: tuple[TensorRule, ...] = (rule(OUTPUT, on_violation=OnViolation.FLAG),),
    cache: CachePolicy | None = None,
    limits: Limits | None = None,
) -> Contract:
    return Contract(
        schema=1,
        name="scale",
        version="1.0.0",
        owner="tests",
        inputs=inputs,
        outputs=outputs,
        accuracy=AccuracyTarget(output=outputs[0].name),
        cache=cache or CachePolicy(),
        limits=limits or Limits(max_batch=8, max_body_bytes=16384),
    )


def digest(text: str) -> str:
    return f"sha256:{text * 64}"


def served(
    engine: Any = None,
    terms: Contract | None = None,
    *,
    numeric_class: NumericClass = NumericClass.HOST_EXACT,
    variant: str = "a",
    version: str = "1.0.0",
) -> Served:
    engine = engine or ScaleEngine()
    terms = terms or contract()
    manifest = VariantManifest(
        name=terms.name,
        version=version,
        profile="cpu-fp32",
        runtime="onnxruntime",
        precision=Precision.FP32,
        numeric_class=numeric_class,
        threads=1,
        entrypoint="model.onnx",
        inputs=tuple(item.spec for item in terms.inputs),
        outputs=tuple(item.spec for item in terms.outputs),
        model_digest=digest("d"),
        contract_digest=digest("c"),
        toolchain={},
    )
    return Served(
        name=terms.name,
        version=version,
        variant_digest=digest(variant),
        bundle_digest=digest("b"),
        model_digest=digest("d"),
        contract=terms,
        contract_digest=digest("c"),
        manifest=manifest,
        proof=None,
        engine=engine,
    )


class Server:
    """A running application and a client for it."""

    def __init__(self, table: ModelTable, recorder: Recorder, session: ClientSession, port: int) -> None:
        self.table, self.recorder, self.session, self.port = table, recorder, session, port

    async def send(
        self, body: bytes | str | dict[str, Any], path: str = "/v2/models/scale/infer", **headers: str
    ) -> Reply:
        data = json.dumps(body) if isinstance(body, dict) else body
        named = {"Content-Type": "application/json", **{key.replace("_", "-"): value for key, value in headers.items()}}
        async with self.session.post(self.url(path), data=data, headers=named) as response:
            return Reply(response.status, dict(response.headers), await response.read())

    async def get(self, path: str) -> Reply:
        async with self.session.get(self.url(path)) as response:
            return Reply(response.status, dict(response.headers), await response.read())

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{path}"


class Reply:
    """One HTTP answer."""

    def __init__(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.status, self.headers, self.body = status, headers, body

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def values(self) -> list[float]:
        assert self.status == 200, self.body
        data = self.json["outputs"][0]["data"]
        assert isinstance(data, list)
        return data


@contextlib.asynccontextmanager
async def serving(
    *items: Served,
    settings: ServingSettings | None = None,
    clock_s: Callable[[], float] | None = None,
    rng: random.Random | None = None,
) -> AsyncIterator[Server]:
    table, recorder = ModelTable(), Recorder()
    for item in items:
        table.activate(item)
    timer = clock_s or asyncio.get_running_loop().time
    runner = build_runner(build_app(table, recorder, settings, clock_s=timer, rng=rng))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        async with ClientSession() as session:
            yield Server(table, recorder, session, runner.addresses[0][1])
    finally:
        await runner.cleanup()


def infer_body(values: Sequence[float] = (1.0, 2.0, 3.0, 4.0), **extra: Any) -> dict[str, Any]:
    """A JSON request for the scale model."""
    rows = len(values) // WIDTH
    item = {"name": INPUT, "shape": [rows, WIDTH], "datatype": "FP32", "data": list(values)}
    return {"inputs": [item], **extra}


def binary_request(
    tensor: Tensor, *, size: int | None = None, head_only: dict[str, Any] | None = None
) -> tuple[bytes, dict[str, str]]:
    """A binary request for the scale model: body and headers."""
    item = {
        "name": INPUT,
        "shape": list(tensor.shape),
        "datatype": tensor.dtype.value,
        "parameters": {"binary_data_size": tensor.nbytes if size is None else size},
    }
    head = json.dumps({"inputs": [item], **(head_only or {})}).encode()
    return head + bytes(tensor.data), {"Inference_Header_Content_Length": str(len(head))}
