"""Write the module: steps and their plan become functions, and the functions a binary."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from compiler.ir.graph import ValueType
from compiler.wasm.plan import Plan, walk
from compiler.wasm.step import Step
from edge_runtime.wasm.abi import ABI_VERSION
from wasm_emit.function import Function
from wasm_emit.module import Module
from wasm_emit.types import I32


@dataclass(frozen=True, kw_only=True)
class _Writer:
    """``StepEmitter`` for one step."""

    fn: Function
    module: Module
    step: Step
    plan: Plan
    types: Mapping[str, ValueType]
    functions: Mapping[str, Function]
    pool: dict[str, Function] = field(default_factory=dict)

    def at(self, value: str) -> int:
        return self.plan.values[value]

    def type_of(self, value: str) -> ValueType:
        return self.types[value]

    def constant(self, key: str) -> int:
        return self.plan.areas[self.step.name, "constants", key]

    def expanded(self, key: str) -> int:
        return self.plan.areas[self.step.name, "expanded", key]

    def scratch(self, key: str) -> int:
        return self.plan.areas[self.step.name, "scratch", key]

    def body(self, index: int) -> None:
        for step in self.step.bodies[index]:
            if not step.view_of:
                self.fn.do(self.fn.call(self.functions[step.name]))

    def shared(self, key: str, build: Callable[[Module], Function]) -> Function:
        if key not in self.pool:
            self.pool[key] = build(self.module)
        return self.pool[key]


def write_module(steps: Sequence[Step], plan: Plan, types: Mapping[str, ValueType]) -> Module:
    """The module of the ABI (``docs/wasm.md``): ``run`` calls every step in order, ``init`` fills derived weights."""
    module = Module()
    module.memory_pages = plan.pages
    module.exported_constant("abi_version", ABI_VERSION)
    functions: dict[str, Function] = {}
    pool: dict[str, Function] = {}
    init = module.function("init", export="init")
    top = {step.name: index for index, step in enumerate(running(steps))}

    for number, step in enumerate(one for one in walk(steps) if not one.view_of):
        export = f"step.{top[step.name]}" if step.name in top else None
        fn = module.function(f"s{number}", export=export)
        fn.comment(f"{step.name}: {step.op}")
        functions[step.name] = fn
        writer = _Writer(fn=fn, module=module, step=step, plan=plan, types=types, functions=functions, pool=pool)
        step.emit(writer)
        if step.init is not None:
            part = module.function(f"i{number}")
            step.init(replace(writer, fn=part))
            init.do(init.call(part))
    run = module.function("run", (I32,), export="run")
    for step in running(steps):
        run.do(run.call(functions[step.name]))
    run.give(0)
    return module


def running(steps: Sequence[Step]) -> list[Step]:
    """The top-level steps that have code, in order: what ``step.<i>`` counts."""
    return [step for step in steps if not step.view_of]
