"""ONNX graphs to WebAssembly modules. ``docs/wasm.md`` follows a model through; this is where each part is::

    compile.py                    the front door: a model's bytes to a ``WasmModule``
    variant.py                    the files of a variant: a module for each batch size, their weights
    pipeline.py, passes/          graph to graph; ``specs.py`` has the records of the operators that passes make,
                                  ``check_operators.py`` their rules
    lower.py, ops/                node to step (``step.py``): a rule for each operator, a family a file
    kernels/, math/               the code of steps; elementary functions
    lanes.py, storage.py, convert.py, rounding.py, sizes.py
                                  what kernels are written with: scalars and vectors in one vocabulary
    output_views.py, canonical_nan.py
                                  what outputs ask for: bytes at their own place, one form of NaN
    plan.py, emit.py              an address for everything; steps and plan as functions of a module
"""
