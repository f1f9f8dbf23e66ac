"""The instructions of a module as text, function by function.

The disassembler is the package ``wasm-tools`` (MIT, pure Python, nothing else needed); it sees checked modules only.
"""

from __future__ import annotations

import contextlib
import difflib
import io
import re
from collections.abc import Iterable, Iterator, Mapping

import wasm_tools

from edge_bundle.errors import NotFoundError
from edge_runtime.wasm.abi import ModuleInfo
from edge_runtime.wasm.structure import read_structure

_HEAD = re.compile(r"^[0-9a-f]+ func\[(?P<index>\d+)\].*$")
_LINE = re.compile(r"^(?P<place> *[0-9a-f]+: \| )(?P<text>\S.*)$")
_CALL = re.compile(r"\| call (?P<index>\d+)$")
_SIGNATURE = re.compile(r" sig=(?P<code>-?\d+)$")
_ACCESS = re.compile(r"^(?P<op>\S+\.(?:load|store)\S*) (?P<log2>\d+) (?P<offset>\d+)(?P<lane> \d+)?$")

_RESULTS = {-1: "i32", -2: "i64", -3: "f32", -4: "f64", -5: "v128"}
_NO_RESULT = -64
"""Block types as the core specification has them (5.4.1): a type's index, or one of these."""


def disassemble(module: bytes, info: ModuleInfo, *, step: str | None = None) -> Iterator[str]:
    """Lines of text: for every function a heading with the node it stands for, then its instructions.

    ``step`` is a node's name, or a step's number: only its function is shown, and the kernels that it calls.

    Raises:
        NotFoundError: there is no such step.

    """
    exports = read_structure(module).exports
    names = {export.index: name for name, export in exports.items() if export.kind == "function"}
    for number, one in enumerate(info.steps):
        names[exports[f"step.{number}"].index] = f"step.{number} {one.name} ({one.op})"
    functions = _functions(module)
    shown = list(functions) if step is None else _reached(functions, exports[f"step.{_number(info, step)}"].index)
    for index in shown:
        yield f"func[{index}] {names.get(index, '(shared)')}"
        yield from _readable(functions[index])


def _functions(module: bytes) -> dict[int, list[str]]:
    """The lines of every function by its index."""
    found: dict[int, list[str]] = {}
    own: list[str] = []
    for line in _objdump(module):
        head = _HEAD.match(line)
        if head is not None:
            own = found.setdefault(int(head["index"]), [])
        elif _LINE.match(line):
            own.append(line.rstrip())
    return found


def _reached(functions: Mapping[int, list[str]], first: int) -> list[int]:
    """The function and those it calls, in the order in which they are met."""
    order = [first]
    for index in order:
        calls = (int(call["index"]) for line in functions[index] if (call := _CALL.search(line)))
        order.extend(one for one in dict.fromkeys(calls) if one not in order)
    return order


def _readable(lines: Iterable[str]) -> Iterator[str]:
    """The library's lines in the words of the text format, indented by block."""
    depth = 0
    for line in lines:
        found = _LINE.match(line)
        if found is None:
            continue
        text = _ACCESS.sub(_access, _SIGNATURE.sub(_block_type, found["text"].rstrip()))
        word = text.partition(" ")[0]
        depth = max(depth - (word in ("end", "else")), 0)
        yield f"{found['place']}{'  ' * depth}{text}"
        depth += word in ("block", "loop", "if", "else")


def _block_type(found: re.Match[str]) -> str:
    code = int(found["code"])
    if code == _NO_RESULT:
        return ""
    return f" (result {_RESULTS[code]})" if code in _RESULTS else f" (type {code})"


def _access(found: re.Match[str]) -> str:
    return f"{found['op']} offset={found['offset']} align={1 << int(found['log2'])}{found['lane'] or ''}"


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
