"""One function under construction: typed locals, assignments, counted loops, blocks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from wasm_emit.instructions import i32
from wasm_emit.types import I32, EmitError, Expr, Operand, ValType, as_i32


@dataclass(frozen=True, slots=True)
class Local(Expr):
    """A local or parameter; as an expression it is its ``local.get``."""

    name: str


class Function:
    """Statements are appended in order; ``text`` renders the whole function in the WAT folded form.

    Raises ``EmitError`` for an assignment of the wrong type and for a loop that would never run.
    """

    def __init__(self, name: str, results: Sequence[ValType] = ()) -> None:
        self.name = name
        self.results = tuple(results)
        self._params: list[Local] = []
        self._locals: list[Local] = []
        self._names: dict[str, int] = {}
        self._lines: list[str] = []
        self._depth = 2

    def param(self, kind: ValType, name: str) -> Local:
        """A further parameter."""
        made = self._new(kind, name)
        self._params.append(made)
        return made

    def local(self, kind: ValType, name: str = "t") -> Local:
        """A new local of that type, zero at entry; the name is made unique."""
        made = self._new(kind, name)
        self._locals.append(made)
        return made

    def locals(self, kind: ValType, name: str, count: int) -> list[Local]:
        """Several at once."""
        return [self.local(kind, name) for _ in range(count)]

    def set(self, target: Local, value: Operand) -> None:
        """``local.set``."""
        given = as_i32(value)
        if given.type is not target.type:
            raise EmitError(f"{self.name}: expected {target.type} for {target.name}, got {given.type}")
        self._line(f"(local.set {target.name} {given.text})")

    def new(self, value: Operand, name: str = "t") -> Local:
        """A new local holding ``value``."""
        given = as_i32(value)
        if given.type is None:
            raise EmitError(f"{self.name}: expected a value, got an instruction that gives none")
        made = self.local(given.type, name)
        self.set(made, given)
        return made

    def advance(self, pointer: Local, step: Operand) -> None:
        """``pointer += step`` (i32)."""
        self.set(pointer, pointer + step)

    def do(self, statement: Expr) -> None:
        """An instruction that leaves nothing: a store, a call without results, ``memory.copy``."""
        if statement.type is not None:
            raise EmitError(f"{self.name}: expected an instruction without result, got one of {statement.type}")
        self._line(statement.text)

    def comment(self, text: str) -> None:
        """A line comment, for people who read the WAT: one line, and what is not printable ASCII escaped.

        Assemblers refuse comments with characters that turn the direction of text round.
        """
        self._line(f";; {ascii(' '.join(text.split()))[1:-1]}")

    @contextmanager
    def counted(self, stop: int, *, start: int = 0, step: int = 1, name: str = "i") -> Iterator[Local]:
        """A loop over ``range(start, stop, step)`` with constant bounds, at least one turn; yields the index (i32)."""
        turns = len(range(start, stop, step))
        if turns < 1 or step < 1:
            raise EmitError(f"{self.name}: expected a loop of at least one turn, got range({start}, {stop}, {step})")
        index = self.new(start, name)
        with self.loop(name) as label:
            yield index
            self.advance(index, step)
            self._line(f"(br_if {label} {i32.lt_u(index, start + turns * step).text})")

    @contextmanager
    def pointer_loop(self, pointer: Local, turns: int, step: int, *, name: str = "p") -> Iterator[None]:
        """``turns`` rounds (constant) that advance ``pointer`` by ``step`` bytes each; the pointer is the counter."""
        if turns < 1 or step == 0:
            raise EmitError(f"{self.name}: expected at least one turn and a step, got {turns} turns of {step}")
        end = self.new(pointer + turns * step, f"{name}_end")
        with self.loop(name) as label:
            yield
            self.advance(pointer, step)
            self._line(f"(br_if {label} {i32.ne(pointer, end).text})")

    @contextmanager
    def loop(self, name: str = "loop") -> Iterator[str]:
        """A bare ``loop``; yields its label. Use ``counted`` unless the condition is data."""
        label = self._unique(name)
        self._line(f"(loop {label}")
        self._depth += 2
        yield label
        self._depth -= 2
        self._line(")")

    @contextmanager
    def block(self, name: str = "block") -> Iterator[str]:
        """A ``block``; ``br`` to its label leaves it."""
        label = self._unique(name)
        self._line(f"(block {label}")
        self._depth += 2
        yield label
        self._depth -= 2
        self._line(")")

    def br(self, label: str, condition: Expr | None = None) -> None:
        """``br`` or ``br_if``."""
        self._line(f"(br {label})" if condition is None else f"(br_if {label} {condition.text})")

    @contextmanager
    def if_(self, condition: Expr) -> Iterator[None]:
        """Statements under a condition (i32, not zero)."""
        if condition.type is not I32:
            raise EmitError(f"{self.name}: expected an i32 condition, got {condition.type}")
        self._line(f"(if {condition.text} (then")
        self._depth += 2
        yield
        self._depth -= 2
        self._line("))")

    @contextmanager
    def if_not(self, condition: Expr) -> Iterator[None]:
        """Statements under a condition that is zero."""
        with self.if_(i32.eqz(condition)):
            yield

    def trap(self) -> None:
        """``unreachable``: end the run, the host sees an error."""
        self._line("unreachable")

    def call(self, callee: Function, *arguments: Operand) -> Expr:
        """A call as an expression; for ``do`` when the callee has no results."""
        given = [as_i32(value) for value in arguments]
        wanted = [param.type for param in callee._params]
        if [value.type for value in given] != wanted or len(callee.results) > 1:
            raise EmitError(f"call of {callee.name}: expected {wanted}, got {[value.type for value in given]}")
        words = " ".join([callee.name, *(value.text for value in given)])
        return Expr(callee.results[0] if callee.results else None, f"(call {words})")

    def give(self, value: Operand) -> None:
        """Leave a result: the last statement of a function with one."""
        given = as_i32(value)
        if (given.type,) != self.results:
            raise EmitError(f"{self.name}: expected a result of {self.results}, got {given.type}")
        self._line(given.text)

    def text(self) -> str:
        """The function in WAT."""
        head = "".join(f" (param {param.name} {param.type})" for param in self._params)
        tail = "".join(f" (result {kind})" for kind in self.results)
        places = "".join(f"\n    (local {local.name} {local.type})" for local in self._locals)
        body = "".join(f"\n{line}" for line in self._lines)
        return f"  (func {self.name}{head}{tail}{places}{body}\n  )"

    def _new(self, kind: ValType, name: str) -> Local:
        unique = self._unique(name)
        return Local(kind, f"(local.get {unique})", unique)

    def _unique(self, name: str) -> str:
        count = self._names.get(name, 0)
        self._names[name] = count + 1
        return f"${name}" if count == 0 else f"${name}.{count}"

    def _line(self, text: str) -> None:
        self._lines.append(f"{' ' * (self._depth + 2)}{text}")
