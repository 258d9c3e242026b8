"""The compiler's passes. Each is a `ModulePass` in a file of its own; `all_passes` finds them by name."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from xdsl.passes import ModulePass

#: Every pass of vcc: its name, the module it is in, and its class. In the order of the phases.
_PASSES: dict[str, tuple[str, str]] = {
    "inline": ("vcc.passes.graph.inline", "InlinePass"),
    "infer-shapes": ("vcc.passes.graph.infer_shapes", "InferShapesPass"),
    "fold-constants": ("vcc.passes.graph.fold_constants", "FoldConstantsPass"),
}


def _importer(module: str, name: str) -> Callable[[], type[ModulePass]]:
    return lambda: getattr(import_module(module), name)


def all_passes() -> dict[str, Callable[[], type[ModulePass]]]:
    """Every pass by name, each as a function that imports its class when it is called."""
    return {name: _importer(*place) for name, place in _PASSES.items()}
