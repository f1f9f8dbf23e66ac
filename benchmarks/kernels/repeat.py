"""A compiled module with one more export, ``repeat: (n: i32) -> ()``, so that a call costs nothing in the rate."""

from __future__ import annotations

from compiler.wasm.compile import WasmModule
from wasm_emit.assemble import assemble
from wasm_emit.binary import append_data

_REPEAT = """
  (func (export "repeat") (param $n i32)
    (loop $again
      (drop (call $run))
      (local.set $n (i32.sub (local.get $n) (i32.const 1)))
      (br_if $again (local.get $n))))
)
"""


def repeating(module: WasmModule) -> bytes:
    """The module as one file, weights inside, with ``repeat``."""
    body = module.wat.rstrip()
    return append_data(assemble(body[: body.rindex(")")] + _REPEAT), module.info.weights.offset, module.weights)
