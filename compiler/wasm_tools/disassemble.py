"""The instructions of a module as text, function by function.

The disassembler is the package ``wasm-tools`` (MIT, pure Python, nothing else needed); it sees checked modules only.
"""

from __future__ import annotations

import contextlib
import difflib
import io
import re
from collections.abc import Iterator

import wasm_tools

from edge_bundle.errors import NotFoundError
from edge_runtime.wasm.abi import ModuleInfo
from edge_runtime.wasm.structure import read_structure

_HEAD = re.compile(r"^[0-9a-f]+ func\[(?P<index>\d+)\].*$")


def disassemble(module: bytes, info: ModuleInfo, *, step: str | None = None) -> Iterator[str]:
    """Lines of text: for every function a heading with the node it stands for, then its instructions.

    ``step`` is a node's name, or a step's number: only its function is shown.

    Raises:
        NotFoundError: there is no such step.

    """
    exports = read_structure(module).exports
    names = {export.index: name for name, export in exports.items() if export.kind == "function"}
    for number, one in enumerate(info.steps):
        names[exports[f"step.{number}"].index] = f"step.{number} {one.name} ({one.op})"
    wanted = None if step is None else exports[f"step.{_number(info, step)}"].index
    shown = wanted is None
    for line in _objdump(module):
        head = _HEAD.match(line)
        if head is not None:
            index = int(head["index"])
            shown = wanted in (None, index)
            if shown:
                yield f"func[{index}] {names.get(index, '(shared)')}"
        elif shown and line.startswith(" "):
            yield line


def _number(info: ModuleInfo, step: str) -> int:
    names = [one.name for one in info.steps]
    if step in names:
        return names.index(step)
    if step.isdecimal() and int(step) < len(names):
        return int(step)
    close = difflib.get_close_matches(step, names, n=1)
    hint = f"did you mean {close[0]!r}?" if close else "skerry wasm inspect lists them"
    raise NotFoundError(what="step", name=step, advice=hint)


def _objdump(module: bytes) -> list[str]:
    """The library's own listing; it writes to stdout only."""
    options, state = wasm_tools.ObjdumpOptions(), wasm_tools.ObjdumpState()
    text = io.StringIO()
    with contextlib.redirect_stdout(text):
        options.mode = wasm_tools.ObjdumpMode.PREPASS
        wasm_tools.BinaryReader(module, wasm_tools.BinaryReaderObjdumpPrepass(module, options, state)).read_module()
        options.mode = wasm_tools.ObjdumpMode.DISASSEMBLE
        reader = wasm_tools.BinaryReaderObjdumpDisassemble(module, options, state)
        wasm_tools.BinaryReader(module, reader).read_module()
    return text.getvalue().splitlines()
