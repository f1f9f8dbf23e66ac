"""The toolkit's table of layers; the rows are from a log of version 2.3.2 (keyword spotter, RK3588)."""

from __future__ import annotations

import pytest

from compiler.rockchip.layers import PlacedLayer, placement, read_layers

HEAD = """\
D RKNN: [09:51:42.249]                                         Network Layer Information Table
D RKNN: [09:51:42.249] ------------------------------------------------------------------------
D RKNN: [09:51:42.249] ID   OpType             DataType Target InputShape                               OutputShape            Cycles(DDR/NPU/Total)    RW(KB)       FullName
D RKNN: [09:51:42.249] ------------------------------------------------------------------------
"""
ROWS = """\
D RKNN: [09:51:42.249] 0    InputOperator      INT8     NPU    \\                                        (1,1,49,10)            0/0/0                    0            InputOperator:input
D RKNN: [09:51:42.249] 1    ConvRelu           INT8     NPU    (1,1,49,10),(64,1,10,4),(64)             (1,64,25,5)            2113/5120/5120           40           Conv:conv0
D RKNN: [09:51:42.249] 2    exSoftmax13        FLOAT16  NPU    (1,12,1,1),(1,12,1,1)                    (1,12,1,1)             0/0/0                    0            exSoftmax13:output
D RKNN: [09:51:42.249] 3    Reshape            FLOAT16  CPU    (1,12,1,1),(2)                           (1,12)                 0/0/0                    0            Reshape:output-rs
D RKNN: [09:51:42.249] 4    OutputOperator     FLOAT16  CPU    (1,12)                                   \\                      0/0/0                    0            OutputOperator:output
"""
END = """\
D RKNN: [09:51:42.249]  Feature Tensor Information Table
D RKNN: [09:51:42.249] 1   ConvRelu       input                          INT8      NC1HWC2      (1,1,49,10)  (1,1,49,10,1) | 0x00000000 0x00000310 0x00000310
"""


def test_rows_without_the_edges() -> None:
    assert read_layers(HEAD + ROWS + END) == (
        PlacedLayer(operator="ConvRelu", name="Conv:conv0", dtype="INT8", place="NPU"),
        PlacedLayer(operator="exSoftmax13", name="exSoftmax13:output", dtype="FLOAT16", place="NPU"),
        PlacedLayer(operator="Reshape", name="Reshape:output-rs", dtype="FLOAT16", place="CPU"),
    )


def test_the_last_table_counts() -> None:
    first = ROWS.replace("Conv:conv0", "Conv:old")
    assert read_layers(HEAD + first + END + HEAD + ROWS + END)[0].name == "Conv:conv0"


@pytest.mark.parametrize(
    ("case", "log"),
    [
        ("no table", "I rknn building done."),
        ("no rows", HEAD),
        ("a row is missing", HEAD + "\n".join(line for line in ROWS.splitlines() if "conv0" not in line)),
        ("the title was cut off", ROWS),
    ],
)
def test_a_broken_table(case: str, log: str) -> None:
    with pytest.raises(ValueError, match="expected a whole table of layers"):
        read_layers(log)


def test_what_runs_elsewhere_is_listed() -> None:
    found = placement("rk3588", read_layers(HEAD + ROWS))
    assert (found.device, found.nodes, found.on_device) == ("rk3588", 3, 2)
    assert found.elsewhere == ("Reshape Reshape:output-rs",)
