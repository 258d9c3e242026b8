"""Random kernels through the schedule phase: slots, events and shared bytes change no result in any order of the pipes.

The sanitizer watches every order, so that a race shows even where the order happens to go well.
"""

from __future__ import annotations

from random import Random
from typing import Any

import numpy as np
import pytest
from conformance import TINY
from xdsl.dialects.builtin import ModuleOp

from vcc.compiler.backend.kernels import to_kernel
from vcc.compiler.context import make_context
from vcc.compiler.pipeline import choose_machine
from vcc.compiler.targets import load_target
from vcc.dialects.visa import KernelOp
from vcc.passes.schedule.allocate_buffers import AllocateBuffers
from vcc.passes.schedule.insert_events import InsertEvents
from vcc.passes.schedule.multi_buffer import MultiBuffer
from vcc.passes.schedule.prune_events import PruneEvents
from vcc.passes.tile.builder import KernelBuilder, Tile, dim
from vcc.runtime.interpreter.kernel import run_kernel
from vcc.runtime.isa.dtypes import BY_NAME
from vcc.runtime.isa.expr import ONE, Poly
from vcc.runtime.isa.kernel import Kernel, Memory, Role, View

N = 16
TRIPS = 5
STORES = 40
F32 = BY_NAME["f32"]


class Maker:
    """Writes a random kernel: loads, products, vector instructions and stores in nested loops."""

    def __init__(self, seed: int):
        self.random, self.builder, self.stores = Random(seed), KernelBuilder(), 0
        self.x = self.builder.param("x", F32, TRIPS * N, "in")
        self.y = self.builder.param("y", F32, TRIPS * STORES * N, "out")

    def kernel(self) -> KernelOp:
        """The kernel."""
        with self.builder.forall({"i": TRIPS}) as variables:
            self.i = variables["i"]
            self.block([], 0)
        return self.builder.finish("random", 0, [])

    def block(self, outer: list[Tile], depth: int) -> None:
        """A body that computes with buffers of the blocks around it, and loads, fills and stores its own."""
        own = [self.load()]
        for _ in range(self.random.randint(3, 7)):
            choice = self.random.choice(["load", "vector", "vector", "temporary", "store", "product", "loop"])
            if choice == "load":
                own.append(self.load())
            elif choice == "temporary":
                own.append(self.vector(own + outer, self.builder.alloc("v", Memory.UB, [N], F32)))
            elif choice == "vector":
                self.vector(own + outer, self.random.choice(own + outer))
            elif choice == "product":
                own.append(self.product())
            elif choice == "loop" and depth < 2:
                with self.builder.loop("k", self.random.choice([1, 2, 3, 5])):
                    self.block(own + outer, depth + 1)
            else:
                self.store(self.random.choice(own + outer))
        self.store(own[-1])

    def load(self, memory: Memory = Memory.UB) -> Tile:
        tile = self.builder.alloc("t", memory, [N], F32)
        source = View(self.x, (ONE,), self.i * N)
        self.builder.emit("load", [dim("j", N)], {"dst": tile.view(), "src": source})
        return tile

    def vector(self, readable: list[Tile], dst: Tile) -> Tile:
        a, b = (self.random.choice(readable) for _ in range(2))
        name = self.random.choice(["add", "sub", "max", "min"])
        self.builder.emit(name, [dim("j", N)], {"dst": dst.view(), "a": a.view(), "b": b.view()})
        return dst

    def product(self) -> Tile:
        a, b = self.load(Memory.L0A), self.load(Memory.L0B)
        c = self.builder.alloc("c", Memory.L0C, [N], F32)
        out = self.builder.alloc("d", Memory.UB, [N], F32)
        dims = [dim("m", 4, role=Role.M), dim("n", 4, role=Role.N), dim("k", 4, role=Role.K)]
        views = {"dst": c.view([4, 1, 0]), "a": a.view([4, 0, 1]), "b": b.view([0, 1, 4])}
        self.builder.emit("mmad", dims, views, zero=ONE)
        self.builder.emit("drain", [dim("j", N)], {"dst": out.view(), "src": c.view()})
        return out

    def store(self, tile: Tile) -> None:
        if self.stores < STORES:
            target = View(self.y, (ONE,), (self.i * STORES + Poly.of(self.stores)) * N)
            self.builder.emit("store", [dim("j", N)], {"dst": target, "src": tile.view()})
            self.stores += 1


def run(kernel: Kernel, **options: Any) -> np.ndarray[Any, Any]:
    """What the kernel stores."""
    x = np.random.default_rng(0).uniform(-2, 2, TRIPS * N).astype(np.float32)
    y = np.zeros(TRIPS * STORES * N, np.float32)
    run_kernel(kernel, {"x": x, "y": y}, **options)
    return y


@pytest.mark.parametrize("seed", range(40))
def test_every_order_gives_the_results_of_the_kernel_before_it_was_scheduled(seed: int):
    ctx = make_context()
    choose_machine(ctx, load_target(TINY))
    op = Maker(seed).kernel()
    expected = run(to_kernel(op))
    module = ModuleOp([op])
    MultiBuffer(slots=seed % 4).apply(ctx, module)
    InsertEvents().apply(ctx, module)
    PruneEvents().apply(ctx, module)
    AllocateBuffers().apply(ctx, module)
    module.verify()
    kernel = to_kernel(op)
    np.testing.assert_array_equal(run(kernel), expected)
    for order in range(4):
        actual = run(kernel, order=order, cores=1 + order % 3, sanitize=True)
        np.testing.assert_array_equal(actual, expected, err_msg=f"order {order}")
