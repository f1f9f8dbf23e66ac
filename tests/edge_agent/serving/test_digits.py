"""The digits example on the real engine over real HTTP: the same answers as the engine gives, fresh and cached."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from pathlib import Path

import pytest

from edge_agent.serving.settings import ServingSettings
from edge_bundle.contract_file import load_contract
from edge_bundle.tensor import DType, Tensor
from edge_runtime.engine import EngineSource
from edge_runtime.factory import open_engine
from tests.edge_agent.serving.world import served, serving

numpy = pytest.importorskip("numpy")
pytest.importorskip("onnxruntime")

DIGITS = Path(__file__).parents[3] / "examples" / "digits"
COUNT = 100


def test_a_hundred_digits_twice() -> None:
    contract = load_contract(DIGITS / "contract.toml")
    source = EngineSource(
        runtime="onnxruntime",
        files={"digits.onnx": (DIGITS / "digits.onnx").read_bytes()},
        entrypoint="digits.onnx",
        inputs=tuple(rule.spec for rule in contract.inputs),
        outputs=tuple(rule.spec for rule in contract.outputs),
    )
    with numpy.load(DIGITS / "evaluation.npz") as data:
        images = data["image"][:COUNT]
    engine = open_engine(source)
    expected = [
        engine.run({"image": Tensor(DType.FP32, (1, 1, 8, 8), image.tobytes())})["probabilities"].data
        for image in images
    ]

    async def go() -> None:
        model = replace(served(engine, contract), name="digits")
        async with serving(model, settings=ServingSettings(recheck_share=0.0)) as server:
            item = {
                "name": "image",
                "shape": [1, 1, 8, 8],
                "datatype": "FP32",
                "parameters": {"binary_data_size": 256},
            }
            head = json.dumps({"inputs": [item], "parameters": {"binary_data_output": True}}).encode()
            for status in ("skerry; fwd=miss; stored", "skerry; hit"):
                for image, answer in zip(images, expected, strict=True):
                    reply = await server.send(
                        head + image.tobytes(),
                        "/v2/models/digits/infer",
                        Inference_Header_Content_Length=str(len(head)),
                        Content_Type="application/octet-stream",
                    )
                    assert reply.headers["Cache-Status"] == status
                    assert reply.body[int(reply.headers["Inference-Header-Content-Length"]) :] == bytes(answer)
            window = server.recorder.meters()[0].window
            assert (window.hits, window.misses, window.samples, window.flagged) == (COUNT, COUNT, 2 * COUNT, 0)
        assert await model.retire()

    asyncio.run(go())
