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
    "form-integer-products": ("vcc.passes.graph.form_integer_products", "FormIntegerProducts"),
    "fold-constants": ("vcc.passes.graph.fold_constants", "FoldConstantsPass"),
    "merge-branches": ("vcc.passes.graph.merge_branches", "MergeBranchesPass"),
    "lower-onnx": ("vcc.passes.graph.lower_onnx", "LowerOnnx"),
    "simplify-graph": ("vcc.passes.graph.simplify", "SimplifyGraph"),
    "form-byte-tables": ("vcc.passes.graph.form_byte_tables", "FormByteTables"),
    "cse": ("vcc.passes.graph.cse", "CommonSubexpressions"),
    "dce": ("xdsl.transforms.dead_code_elimination", "DeadCodeElimination"),
    "apply-rules": ("vcc.passes.fuse.apply_rules", "ApplyRulesPass"),
    "fold-batchnorm": ("vcc.passes.fuse.fold_batchnorm", "FoldBatchnorm"),
    "expand-average-pool": ("vcc.passes.fuse.expand_average_pool", "ExpandAveragePool"),
    "share-heads": ("vcc.passes.fuse.share_heads", "ShareHeads"),
    "move-softmax-guards": ("vcc.passes.graph.move_softmax_guards", "MoveSoftmaxGuards"),
    "merge-matmuls": ("vcc.passes.fuse.merge_matmuls", "MergeMatmuls"),
    "sink-reshapes": ("vcc.passes.fuse.sink_reshapes", "SinkReshapes"),
    "gather-reflections": ("vcc.passes.fuse.gather_reflections", "GatherReflections"),
    "split-concats": ("vcc.passes.fuse.split_concats", "SplitConcats"),
    "split-bias": ("vcc.passes.fuse.split_bias", "SplitBias"),
    "choose-layouts": ("vcc.passes.fuse.choose_layouts", "ChooseLayouts"),
    "form-kernels": ("vcc.passes.fuse.form_kernels", "FormKernels"),
    "alias-movements": ("vcc.passes.fuse.alias_movements", "AliasMovements"),
    "share-kernels": ("vcc.passes.tile.share_kernels", "ShareKernels"),
    "tile-kernels": ("vcc.passes.tile.tile_kernels", "TileKernels"),
    "multi-buffer": ("vcc.passes.schedule.multi_buffer", "MultiBuffer"),
    "insert-events": ("vcc.passes.schedule.insert_events", "InsertEvents"),
    "prune-events": ("vcc.passes.schedule.prune_events", "PruneEvents"),
    "allocate-buffers": ("vcc.passes.schedule.allocate_buffers", "AllocateBuffers"),
    "order-kernels": ("vcc.passes.plan.order_kernels", "OrderKernelsPass"),
    "plan-arena": ("vcc.passes.plan.plan_arena", "PlanArenaPass"),
    "lower-to-host": ("vcc.passes.plan.lower_to_host", "LowerToHostPass"),
}


def _importer(module: str, name: str) -> Callable[[], type[ModulePass]]:
    return lambda: getattr(import_module(module), name)


def all_passes() -> dict[str, Callable[[], type[ModulePass]]]:
    """Every pass by name, each as a function that imports its class when it is called."""
    return {name: _importer(*place) for name, place in _PASSES.items()}
