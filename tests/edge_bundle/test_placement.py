"""Where nodes run against where they were proven to run."""

from __future__ import annotations

import pytest

from edge_bundle.errors import PlacementError
from edge_bundle.placement import check_placement
from edge_bundle.proof import PlacementProof


def on(device: str, on_device: int, nodes: int, *elsewhere: str) -> PlacementProof:
    return PlacementProof(device=device, nodes=nodes, on_device=on_device, elsewhere=elsewhere)


@pytest.mark.parametrize(
    ("proven", "got"),
    [
        pytest.param(None, None, id="cpu"),
        pytest.param(None, on("htp", 3, 3), id="nothing-was-proven"),
        pytest.param(on("htp", 37, 37), on("htp", 37, 37), id="the-same"),
        pytest.param(on("htp", 37, 37), on("htp", 1, 1), id="one-node-after-compiling"),
        pytest.param(on("htp", 35, 37), on("htp", 1, 3), id="as-many-elsewhere"),
        pytest.param(on("htp", 35, 37), on("htp", 36, 37), id="more-on-the-device"),
        pytest.param(on("htp", 0, 2), on("htp", 0, 2), id="nothing-was-ever-there"),
    ],
)
def test_holds(proven: PlacementProof | None, got: PlacementProof | None) -> None:
    check_placement(proven, got, runtime="qnn")


@pytest.mark.parametrize(
    ("proven", "got", "detail"),
    [
        pytest.param(
            on("htp", 37, 37), on("htp", 35, 37, "Softmax s", "TopK t"),
            "placement on htp: expected 37 of 37 nodes on htp, 0 elsewhere, "
            "got 35 of 37 nodes on htp, 2 elsewhere: Softmax s, TopK t", id="some-on-the-cpu",
        ),
        pytest.param(on("npu", 4, 4), on("cpu", 4, 4), "got 4 of 4 nodes on cpu", id="another-device"),
        pytest.param(on("npu", 4, 9), on("npu", 0, 5), "got 0 of 5 nodes on npu", id="nothing-left-there"),
        pytest.param(on("npu", 4, 4), None, "a runtime that says nothing of a device", id="unknown"),
    ],
)  # fmt: skip
def test_refused(proven: PlacementProof, got: PlacementProof | None, detail: str) -> None:
    with pytest.raises(PlacementError) as caught:
        check_placement(proven, got, runtime="qnn")
    assert detail in str(caught.value)
