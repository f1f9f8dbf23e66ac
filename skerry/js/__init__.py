"""The JavaScript that ``skerry wasm export --js`` writes beside a module."""
