"""Modules that are loaded with their first use."""

import importlib


class Later:
    """Stands for a module; `Later("a.b").name` imports a.b, then gives its `name`.

    The app's start shall not wait for torch and transformers, which only some topics need. Python's own
    LazyLoader is not safe when two threads use a module first (before 3.12.3).
    """

    def __init__(self, module: str):
        self._module = module

    def __getattr__(self, name: str) -> object:
        return getattr(importlib.import_module(self._module), name)
