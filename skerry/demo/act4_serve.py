"""Act 4: the whole evaluation set through every agent, twice; the second time from the cache, bit for bit."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from compiler.dataset import load_evaluation
from compiler.progress import Progress
from compiler.runner import tensors
from edge_bundle.contract import Contract
from edge_bundle.proof import Proof
from edge_bundle.tensor import Tensor
from edge_runtime.arrays import to_array
from skerry.client.infer import Answer, InferClient, open_agent
from skerry.demo.claims import Claim, equal

ACT = 4
HIT = "skerry; hit"
CACHE_STATUS = "Cache-Status"


@dataclass(frozen=True)
class Pass:
    """One run through the evaluation set: what was right, how long each request took, what the cache did."""

    samples: int
    correct: int
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
    """Requests of one row each, and the right answers."""

    requests: tuple[dict[str, Tensor], ...]
    labels: NDArray[np.int64]


def load_evaluation_set(path: Path, contract: Contract) -> EvaluationSet:
    """Read the example's evaluation set as requests of one sample each."""
    dataset = load_evaluation(path, contract.inputs)
    rows = tuple(tensors(dataset, index) for index in range(dataset.samples))
    return EvaluationSet(rows, dataset.labels)


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
    scores = [to_array(answer.outputs[contract.accuracy.output]) for answer in answers]
    predicted = np.array([int(score.argmax()) for score in scores])
    return Pass(
        samples=len(answers),
        correct=int((predicted == evaluation.labels).sum()),
        hits=sum(answer.headers.get(CACHE_STATUS, "").startswith(HIT) for answer in answers),
        latencies_us=tuple(latencies),
        answers=tuple(_bits(answer) for answer in answers),
    )


def _bits(answer: Answer) -> bytes:
    return b"".join(bytes(tensor.data) for _, tensor in sorted(answer.outputs.items()))


def judge(served: Sequence[Served], *, act: int = ACT) -> list[Claim]:
    """Accuracy equals the signed proof, the second pass is all hits, and hits are bit-equal to the first answers."""
    claims = []
    for one in served:
        proof = one.proof.accuracy
        proven, got = f"{proof.correct} of {proof.samples}", f"{one.first.correct} of {one.first.samples}"
        differ = sum(a != b for a, b in zip(one.first.answers, one.second.answers, strict=True))
        claims += [
            equal(act, f"{one.agent}: right answers as in the signed proof", proven, got),
            equal(act, f"{one.agent}: cache hits in the second pass", one.second.samples, one.second.hits),
            equal(act, f"{one.agent}: cached answers that differ in any bit", 0, differ),
        ]
    return claims
