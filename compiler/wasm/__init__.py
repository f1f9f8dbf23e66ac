"""The WebAssembly code generator: an ONNX graph in, one import-free module out.

``docs/wasm.md`` follows a model through. Where its parts are:

- the front door: ``compile.py``; the files of a variant: ``variant.py``
- graph to graph: ``pipeline.py`` and ``passes``; operators that passes make: ``specs.py``, ``check_operators.py``
- node to step (``step.py``): ``lower.py`` and ``ops``, a rule for each operator
- the code of steps: ``kernels``; elementary functions: ``math``
- what both are written with: ``numerics``
- what outputs ask for: ``output_views.py``, ``canonical_nan.py``
- an address for everything: ``plan.py``; the module: ``emit.py``
"""
