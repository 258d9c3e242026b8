#!/usr/bin/env python3
"""How far fusion gets: launches against anchors, and bytes moved against what an unfused graph would have to move.

    python tests/bench/bench_fusion.py [--target vn1] [--bytes] [--list] [MODEL_ID ...]

Anchors are matrix products, convolutions, poolings, row operations and what else needs a kernel of its own by its
nature. `--list` prints every other launch with its ONNX node and what fusion says about it; `--bytes` runs the models
to count the bytes that their kernels move. Without ids: all models of the manifest that are in the cache.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from math import prod
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

ANCHORS = frozenset(
    {"arg", "attention", "conv", "cumsum", "depthwise", "layer_norm", "matmul", "pool", "recurrence", "reduce",
     "rms_norm", "softmax", "topk"}
)  # fmt: skip


def unfused_bytes(module: Any) -> int:
    """What the operations of `main` read and write if each is a kernel of its own; reshapes are free."""
    from vcc.dialects import graph
    from vcc.dialects.graph.base import tensor_of
    from vcc.dialects.host import tensor_bytes
    from vcc.dialects.weights import ConstantOp
    from vcc.passes.plan.main_body import main_of

    steps = [op for op in main_of(module).body.block.ops if not isinstance(op, ConstantOp | graph.ReshapeOp)]
    values = [v for op in steps if op.results for v in (*dict.fromkeys(op.operands), *op.results)]
    return sum(tensor_bytes(tensor_of(v)) for v in values)


def measure(model_id: str, path: Path, target: str, *, count_bytes: bool) -> dict[str, Any]:
    """The figures of one model."""
    from model_corpus import manifest_inputs

    from vcc.compiler.compilation import Compilation
    from vcc.compiler.options import Options
    from vcc.dialects import graph
    from vcc.dialects.graph.base import shape_of
    from vcc.dialects.origin import node_names
    from vcc.runtime.session import Program

    feeds = manifest_inputs(model_id)
    shapes = {name: list(array.shape) for name, array in feeds.items()}
    compilation = Compilation.from_model(path, Options(target=target, shapes=shapes))
    compilation.advance("graph")
    unfused = unfused_bytes(compilation.module)
    compilation.advance("fuse")
    kernels = [op for op in compilation.module.walk() if isinstance(op, graph.KernelOp)]
    kinds = Counter(op.kind.data for op in kernels if op.kind is not None)
    extra = [
        {
            "kind": op.kind.data,
            "shape": list(shape_of(op.results[0])),
            "nodes": list(node_names(op)),
            "remarks": [remark.data for remark in op.remarks or ()],
        }
        for op in kernels
        if op.kind is not None and op.kind.data not in ANCHORS
    ]
    found: dict[str, Any] = {
        "model": model_id, "launches": len(kernels), "anchors": sum(kinds[kind] for kind in ANCHORS),
        "kinds": dict(sorted(kinds.items())), "extra": extra, "unfused": unfused, "moved": None,
    }  # fmt: skip
    if count_bytes:
        counts = Program(compilation.encode()).stats(feeds).counts.values()
        found["moved"] = sum(each.bytes_in + each.bytes_out for each in counts)
    return found


def report(found: dict[str, Any], *, listed: bool) -> None:
    """Print a model's row of the table, and its launches that are no anchors."""
    moved = "" if found["moved"] is None else f"{found['moved']:,} | {found['moved'] / max(1, found['unfused']):.2f}"
    ratio = found["launches"] / max(1, found["anchors"])
    kinds = ", ".join(f"{count} {kind}" for kind, count in found["kinds"].items() if kind not in ANCHORS)
    print(
        f"| {found['model']} | {found['anchors']} | {found['launches']} | {ratio:.2f} | {kinds} | "
        f"{found['unfused']:,} | {moved} |",
        flush=True,
    )
    if listed:
        for each in found["extra"]:
            nodes = ", ".join(each["nodes"][-2:]) or "?"
            size = prod(each["shape"])
            print(f"    {each['kind']} {each['shape']} ({size:,}) {nodes}: {'; '.join(each['remarks']) or 'copies'}")


def main() -> int:
    """Measure and print a table."""
    from model_corpus import cache_folder, manifest

    from vcc.runtime.diagnostics import VccError

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*", help="ids of the manifest")
    parser.add_argument("--target", default="vn1", help="the machine to compile for")
    parser.add_argument("--folder", type=Path, default=cache_folder(), help="where the models lie")
    parser.add_argument("--bytes", action="store_true", help="run the models and count the bytes moved")
    parser.add_argument("--list", action="store_true", help="list the launches that are no anchors")
    args = parser.parse_args()
    print("| model | anchors | launches | ratio | others | unfused bytes | moved bytes | ratio |")
    print("|---|---|---|---|---|---|---|---|")
    for model in args.models or manifest():
        path = args.folder / (model + manifest()[model].get("ext", ".onnx"))
        if not path.exists() or path.suffix != ".onnx":
            continue
        try:
            report(measure(model, path, args.target, count_bytes=args.bytes), listed=args.list)
        except VccError as problem:
            print(f"| {model} | {str(problem).splitlines()[0]} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
