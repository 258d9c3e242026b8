"""Observed values: blocked layouts, padding, valid intervals, values that are not complete; counts and their table."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest

from vcc.runtime.binary.image import Image, Value
from vcc.runtime.interpreter.kernel import run_kernel
from vcc.runtime.interpreter.stats import Stats, table
from vcc.runtime.interpreter.taps import TapCollector, logical, physical, physical_shape
from vcc.runtime.isa.assembler import parse_kernel_text
from vcc.runtime.isa.dtypes import BY_NAME
from vcc.runtime.isa.host import HostProgram, Launch

F32 = BY_NAME["f32"]


def value(shape: tuple[int, ...], axis: int = 0, block: int = 0) -> Value:
    return Value("v", 0, F32, shape, axis, block)


def collect(text: str, observed: Value, args: Mapping[str, np.ndarray | int], order: int | None = None) -> TapCollector:
    """What is observed of one launch whose tap 0 is the only value of its image."""
    (kernel,) = parse_kernel_text(text)
    collector = TapCollector(Image((kernel,), HostProgram((), (), ()), nodes=("N",), values=(observed,)))
    run_kernel(kernel, args, order=order, observer=collector.observer(Launch("k", (), ((0,),), (0,))))
    return collector


@pytest.mark.parametrize(
    ("shape", "axis", "block", "stored"),
    [
        ((2, 6, 3, 5), 1, 4, (2, 2, 3, 5, 4)),
        ((6,), 0, 4, (2, 4)),
        ((3, 8), 1, 8, (3, 1, 8)),
        ((4, 2), 0, 0, (4, 2)),
        ((0, 6), 1, 4, (0, 2, 4)),
    ],
)
def test_blocked_layouts_and_back(shape: tuple[int, ...], axis: int, block: int, stored: tuple[int, ...]):
    observed = value(shape, axis, block)
    array = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    there = physical(observed, array)
    assert there.shape == stored == physical_shape(observed)
    assert np.array_equal(logical(observed, there.reshape(-1)), array)


def test_the_physical_order_is_blocks_outside_elements_inside():
    observed = value((6, 3), 0, 4)
    array = logical(observed, np.arange(24, dtype=np.float32))
    for channel in range(6):
        for x in range(3):
            assert array[channel, x] == (channel // 4) * 12 + x * 4 + channel % 4


#: Negates a [6,3] tensor in blocks of 4 channels, one block at a time.
BLOCKED = """
kernel k(x: gm f32[24] in, y: gm f32[24] out) {
  buf t: ub f32[3,4]
  forall %b = 0..2 {
    load {j:12} t(1), x[12*%b](1)
    neg {x:3, c:4} t(4,1), t(4,1) !tap 0[12*%b](4,1)
    barrier
    store {j:12} y[12*%b](1), t(1)
    barrier
  }
}
"""


def test_a_tapped_instruction_gives_the_logical_value():
    observed = value((6, 3), 0, 4)
    x = np.random.default_rng(0).standard_normal((6, 3)).astype(np.float32)
    stored = physical(observed, x)
    found = collect(BLOCKED, observed, {"x": stored, "y": np.zeros_like(stored)})
    assert np.array_equal(found.values()["v"], -x) and found.partial() == []


def test_registers_of_a_tap_are_those_of_its_issue():
    text = BLOCKED.replace("    load", "    barrier\n    load").replace("    neg", "    barrier\n    neg")
    x = np.arange(24, dtype=np.float32)
    for order in range(5):
        found = collect(text, value((6, 3), 0, 4), {"x": x, "y": np.zeros_like(x)}, order=order)
        assert np.array_equal(found.values()["v"], logical(value((6, 3), 0, 4), -x))


STORED = """
kernel k(x: gm f32[12] in, y: gm f32[12] out) {
  buf t: ub f32[12]
  load {j:12} t(1), x(1)
  store {i:3 in 1..9, j:4 in -2..3} y(4,1), t(4,1) !tap 0[-3](3,1)
}
"""


def test_a_tapped_store_observes_its_valid_part():
    x = np.arange(12, dtype=np.float32)
    found = collect(STORED, value((2, 3)), {"x": x, "y": np.zeros_like(x)})
    assert np.array_equal(found.values()["v"], x.reshape(3, 4)[1:, :3])


def test_elements_outside_the_tensor_are_not_of_it_and_missing_ones_make_it_partial():
    x = np.arange(12, dtype=np.float32)
    args = {"x": x, "y": np.zeros_like(x)}
    assert np.array_equal(collect(STORED, value((4,)), args).values()["v"], [4, 5, 6, 8])
    short = collect(STORED, value((7,)), args)
    assert short.values() == {} and short.partial() == ["v"]


def test_reduced_dimensions_do_not_count():
    text = """
    kernel k(x: gm f32[12] in) {
      buf t: ub f32[12]
      buf s: ub f32[4]
      load {j:12} t(1), x(1)
      reduce.add {i:reduce 3, j:4} s(0,1), t(4,1) !tap 0(0,1)
    }"""
    x = np.arange(12, dtype=np.float32)
    assert np.array_equal(collect(text, value((4,)), {"x": x}).values()["v"], x.reshape(3, 4).sum(0))


def test_a_launch_without_values_has_no_observer():
    collector = TapCollector(Image((), HostProgram((), (), ())))
    assert collector.observer(Launch("k", (), (), (-1,))) is None


COUNTED = """
kernel k(x: gm f32[64] in, y: gm f32[16] out) {
  buf a: l0a f32[4,4]
  buf b: l0b f32[4,4]
  buf c: l0c f32[4,4]
  buf t: ub f32[4,4]
  load {i:4, j:4 in 0..3} a(4,1), x(4,1) !src(0)
  load {i:4, j:4} b(4,1), x[16](0,1) !src(0)
  mmad {m:m 4, n:n 4, k:k 4} c(4,1,0), a(4,0,1), b(0,1,4) !src(0)
  drain {j:16} t(1), c(1), act=relu !src(0,1)
  store {j:16} y(1), t(1) !src(1)
}
"""


def test_counts_by_node_and_pipe():
    (kernel,) = parse_kernel_text(COUNTED)
    stats = Stats()
    x = np.ones(64, np.float32)
    run_kernel(kernel, {"x": x, "y": x[:16].copy()}, stats=stats, nodes=["MatMul_0", "Relu_1"])
    nodes = {row["node"]: row for row in stats.rows("node")}
    assert list(nodes) == ["MatMul_0", "MatMul_0 + Relu_1", "Relu_1"]
    assert (nodes["MatMul_0"]["macs"], nodes["MatMul_0"]["bytes_in"]) == (64, 4 * 12 + 4 * 4)
    assert nodes["MatMul_0 + Relu_1"]["elements"] == 16 and nodes["Relu_1"]["bytes_out"] == 64
    assert [(row["pipe"], row["instructions"]) for row in stats.rows("pipe")] == [
        ("IN", 2), ("M", 1), ("V", 1), ("OUT", 1)
    ]  # fmt: skip
    assert table(stats.rows("kernel")).splitlines()[1].split() == ["k", "5", "64", "16", "64", "64"]
