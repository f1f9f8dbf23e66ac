"""Act 4: the whole evaluation set through every agent, twice; the second time from the cache, bit for bit."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from compiler.dataset import load_evaluation, row_shape
from compiler.importer import model_file
from compiler.measuring.runner import reference_scores, tensors
from compiler.metrics.judge import Judge, open_judge, open_measure
from compiler.passes.import_model import import_graph
from compiler.progress import Progress
from edge_bundle.contract import Contract
from edge_bundle.proof import Proof
from edge_bundle.tensor import Tensor
from edge_runtime.arrays import to_array
from skerry.client.infer import Answer, InferClient, open_agent
from skerry.demo.claims import Claim, equal
from skerry.model_file import find_model

ACT = 4
HIT = "skerry; hit"
CACHE_STATUS = "Cache-Status"


@dataclass(frozen=True)
class Pass:
    """One run through the evaluation set: the contract's metric, how long each request took, what the cache did."""

    samples: int
    accuracy: float
    hits: int
    latencies_us: tuple[float, ...]
    answers: tuple[bytes, ...]

    def percentile_us(self, percent: float) -> float:
        """Latency of a request as its caller saw it, in microseconds."""
        return float(np.percentile(self.latencies_us, percent))


@dataclass(frozen=True)
class Served:
    """What one agent answered, beside the proof of the variant it runs."""

    agent: str
    profile: str
    proof: Proof
    first: Pass
    second: Pass


@dataclass(frozen=True)
class EvaluationSet:
    """Requests of one row each, and what judges their answers."""

    requests: tuple[dict[str, Tensor], ...]
    judge: Judge


def load_evaluation_set(folder: Path, contract: Contract) -> EvaluationSet:
    """Read an example's evaluation set as requests of one sample each."""
    path, file = folder / "evaluation.npz", str(folder / "contract.toml")
    dataset = load_evaluation(path, contract.inputs)
    judge = open_judge(contract, open_measure(contract, folder=folder, file=file), dataset, file=str(path))
    if judge.right is None:
        graph = import_graph(model_file.read_file(find_model(folder)), contract, file=file)
        judge = judge.knowing(reference_scores(graph.model, contract, dataset))
    return EvaluationSet(tuple(tensors(dataset, index) for index in range(dataset.samples)), judge)


async def serve(
    agent: str, url: str, proof: Proof, contract: Contract, evaluation: EvaluationSet, bars: Progress
) -> Served:
    """Two passes over the evaluation set against one agent."""
    passes = []
    async with open_agent(url) as client:
        for number in ("first", "second"):
            bars.start(f"{agent}: {number} pass", len(evaluation.requests))
            passes.append(await _one_pass(client, contract, evaluation, bars))
            bars.done()
    return Served(agent, proof.profile, proof, *passes)


async def _one_pass(client: InferClient, contract: Contract, evaluation: EvaluationSet, bars: Progress) -> Pass:
    answers: list[Answer] = []
    latencies: list[float] = []
    for request in evaluation.requests:
        began = time.perf_counter()
        answers.append(await client.infer(contract.name, request))
        latencies.append((time.perf_counter() - began) * 1e6)
        bars.advance()
    row = row_shape(contract.scored)
    outputs = np.stack([to_array(answer.outputs[contract.scored.name]).reshape(row) for answer in answers])
    return Pass(
        samples=len(answers),
        accuracy=evaluation.judge.score(outputs).value,
        hits=sum(answer.headers.get(CACHE_STATUS, "").startswith(HIT) for answer in answers),
        latencies_us=tuple(latencies),
        answers=tuple(_bits(answer) for answer in answers),
    )


def _bits(answer: Answer) -> bytes:
    return b"".join(bytes(tensor.data) for _, tensor in sorted(answer.outputs.items()))


def judge(served: Sequence[Served], *, act: int = ACT) -> list[Claim]:
    """Accuracy is the signed proof's, the second pass is all hits, and hits are bit-equal to the first answers."""
    claims = []
    for one in served:
        proof = one.proof.accuracy
        proven = f"{proof.value:.9g} over {proof.samples}"
        got = f"{one.first.accuracy:.9g} over {one.first.samples}"
        differ = sum(a != b for a, b in zip(one.first.answers, one.second.answers, strict=True))
        claims += [
            equal(act, f"{one.agent}: accuracy as in the signed proof", proven, got),
            equal(act, f"{one.agent}: cache hits in the second pass", one.second.samples, one.second.hits),
            equal(act, f"{one.agent}: cached answers that differ in any bit", 0, differ),
        ]
    return claims
