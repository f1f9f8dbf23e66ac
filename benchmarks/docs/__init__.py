"""The parts of ``docs/wasm.md`` that are made from code and measurements."""
