"""The real Triton client against the real server: every call it has for serving, JSON and binary."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from edge_bundle.tensor import DType
from tests.edge_agent.serving.world import AnswerEngine, contract, rule, served, serving

numpy = pytest.importorskip("numpy")
triton = pytest.importorskip("tritonclient.http")


def with_client(use: Callable[[Any], None], model: Any = None) -> None:
    async def go() -> None:
        async with serving(model or served()) as server:
            address = f"127.0.0.1:{server.port}"

            def talk() -> None:
                client = triton.InferenceServerClient(address)
                try:
                    use(client)
                finally:
                    client.close()

            await asyncio.to_thread(talk)

    asyncio.run(go())


def input_of(array: Any, *, binary: bool, name: str = "x", dtype: str = "FP32") -> Any:
    item = triton.InferInput(name, list(array.shape), dtype)
    return item.set_data_from_numpy(array, binary_data=binary)


ROWS = numpy.arange(12, dtype=numpy.float32).reshape(3, 4) / 3


@pytest.mark.parametrize("binary_in", [True, False], ids=["binary-in", "json-in"])
@pytest.mark.parametrize("binary_out", [True, False, None], ids=["binary-out", "json-out", "default-out"])
def test_infer(binary_in: bool, binary_out: bool | None) -> None:
    def use(client: Any) -> None:
        outputs = None if binary_out is None else [triton.InferRequestedOutput("y", binary_data=binary_out)]
        for ident in ("first", "again"):
            result = client.infer("scale", [input_of(ROWS, binary=binary_in)], outputs=outputs, request_id=ident)
            assert numpy.array_equal(result.as_numpy("y"), 2 * ROWS)
            response = result.get_response()
            assert (response["id"], response["model_name"], response["model_version"]) == (ident, "scale", "1.0.0")

    with_client(use)


def test_health_metadata_and_statistics() -> None:
    def use(client: Any) -> None:
        assert client.is_server_live()
        assert client.is_server_ready()
        assert client.is_model_ready("scale")
        assert client.is_model_ready("scale", "1.0.0")
        assert not client.is_model_ready("nobody")
        assert client.get_server_metadata()["name"] == "skerry"
        assert client.get_model_metadata("scale", "1.0.0")["inputs"][0]["shape"] == [-1, 4]
        client.infer("scale", [input_of(ROWS, binary=True)], model_version="1.0.0")
        assert client.get_inference_statistics("scale")["model_stats"][0]["inference_count"] == 3
        assert len(client.get_inference_statistics()["model_stats"]) == 1

    with_client(use)


def test_refusals_arrive_as_the_clients_own_exception() -> None:
    def use(client: Any) -> None:
        with pytest.raises(triton.InferenceServerException, match="expected x, got q") as refused:
            client.infer("scale", [input_of(ROWS, binary=True, name="q")])
        assert refused.value.status() == "400"
        with pytest.raises(triton.InferenceServerException, match="no model named"):
            client.infer("nobody", [input_of(ROWS, binary=True)])
        with pytest.raises(triton.InferenceServerException, match="uncompressed"):
            client.infer("scale", [input_of(ROWS, binary=True)], request_compression_algorithm="gzip")
        text = numpy.array([["a", "b", "c", "d"]], dtype=numpy.object_)
        with pytest.raises(triton.InferenceServerException, match="'BYTES'"):
            client.infer("scale", [input_of(text, binary=True, dtype="BYTES")])

    with_client(use)


@pytest.mark.parametrize("dtype", list(DType))
def test_every_dtype(dtype: DType) -> None:
    array = numpy.array([[0, 1, 1, 0]]).astype(dtype.numpy_name)
    terms = contract(inputs=(rule(dtype=dtype),), outputs=(rule("y", dtype=dtype),))

    def use(client: Any) -> None:
        for binary in (True, False) if dtype is not DType.FP16 else (True,):
            outputs = [triton.InferRequestedOutput("y", binary_data=binary)]
            result = client.infer("scale", [input_of(array, binary=binary, dtype=dtype.value)], outputs=outputs)
            assert numpy.array_equal(result.as_numpy("y"), array)
            assert result.as_numpy("y").dtype == array.dtype

    class Echo(AnswerEngine):
        def run(self, inputs: Any) -> Any:
            return {"y": inputs["x"]}

    with_client(use, served(Echo({}), terms))


def test_several_inputs_json_and_binary_mixed() -> None:
    terms = contract(inputs=(rule("a"), rule("b"), rule("c", dtype=DType.INT64, shape=(-1, 2))), outputs=(rule("y"),))

    class Pick(AnswerEngine):
        def run(self, inputs: Any) -> Any:
            assert list(inputs) == ["a", "b", "c"]
            return {"y": inputs["b"]}

    def use(client: Any) -> None:
        longs = numpy.array([[2**62, -1]] * 3)
        inputs = [
            input_of(longs, binary=True, name="c", dtype="INT64"),
            input_of(ROWS + 1, binary=False, name="b"),
            input_of(ROWS, binary=True, name="a"),
        ]
        assert numpy.array_equal(client.infer("scale", inputs).as_numpy("y"), ROWS + 1)

    with_client(use, served(Pick({}), terms))
