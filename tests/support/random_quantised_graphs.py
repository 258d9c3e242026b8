"""Random small quantised graphs for Hypothesis, made together with what they mean.

In half of them all scales are powers of two, so that implementations which differ in anything but the order of exact
operations are wrong; in the others results may differ where a value lies within rounding errors of a tie.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from hypothesis import strategies as st
from onnx import ModelProto, NodeProto, helper, numpy_helper
from quantised_meaning import results_of
from spans import Array, Span, known

RUNTIME = "com.microsoft"
CHANNELS = (1, 3, 4, 5, 8, 16, 17, 32, 33, 64, 100)


@dataclass(frozen=True)
class QuantisedGraph:
    """A model, its inputs, and what its outputs may be."""

    model: ModelProto
    feeds: Mapping[str, Array]
    meaning: Mapping[str, Span]


@dataclass(frozen=True)
class Scaled:
    """How bytes are quantised: the names of the scale and the zero point, and the axis if there are many of them."""

    scale: str
    zero: str
    axis: int | None = None


@dataclass
class Maker:
    """A graph being drawn: `bytes` are the quantised values, `sources` those of them that layers take, newest last.

    `powers` says that scales are powers of two; results have so many `channels`, weights are at most `largest`.
    """

    draw: Any
    powers: bool
    channels: tuple[int, ...] = CHANNELS
    largest: int = 255
    nodes: list[NodeProto] = field(default_factory=list[NodeProto])
    constants: dict[str, Array] = field(default_factory=dict[str, Array])
    feeds: dict[str, Array] = field(default_factory=dict[str, Array])
    values: dict[str, Span] = field(default_factory=dict[str, Span])
    bytes: dict[str, Scaled] = field(default_factory=dict[str, Scaled])
    sources: list[str] = field(default_factory=list[str])
    made: list[str] = field(default_factory=list[str])

    def integer(self, low: int, high: int) -> int:
        """A number of low..high."""
        return self.draw(st.integers(low, high))

    def pick(self, options: Any) -> Any:
        """One of some."""
        return self.draw(st.sampled_from(list(options)))

    def seldom(self) -> bool:
        """True once in six times."""
        return self.integer(0, 5) == 5

    def random(self) -> np.random.Generator:
        """Numbers that no other part of the graph has."""
        return np.random.default_rng(len(self.values))

    def shape(self, name: str) -> tuple[int, ...]:
        """A value's."""
        return self.values[name].shape

    def constant(self, array: Any, dtype: Any = np.float32) -> str:
        """A constant of its own."""
        return self._named(self.constants, "k", np.asarray(array, dtype))

    def given(self, array: Array) -> str:
        """A constant, or seldom an input, of its own."""
        return self._named(self.feeds, "x", array) if self.seldom() else self.constant(array, array.dtype)

    def feed(self, array: Array) -> str:
        """An input of its own."""
        return self._named(self.feeds, "x", array)

    def _named(self, where: dict[str, Array], prefix: str, array: Array) -> str:
        name = f"{prefix}{len(self.values)}"
        where[name], self.values[name] = array, known(array)
        return name

    def node(self, op_type: str, inputs: Sequence[str], outputs: int = 1, domain: str = "", **attributes: Any) -> str:
        """A node; the name of its first output."""
        names = [f"v{len(self.values)}{'abc'[i]}" for i in range(outputs)]
        made = helper.make_node(op_type, inputs, names, f"{op_type}_{names[0]}", domain=domain, **attributes)
        self.nodes.append(made)
        self.values.update(zip(names, results_of(made, self.values), strict=True))
        self.made += names
        return names[0]

    def range_of(self, build: Callable[[], str]) -> tuple[float, float]:
        """The least and the greatest element of a value whose nodes are forgotten again."""
        nodes, made = len(self.nodes), len(self.made)
        span = self.values[build()]
        del self.nodes[nodes:], self.made[made:]
        return float(span.low.min()), float(span.high.max())

    def source(self, name: str, scaled: Scaled) -> str:
        """Let layers take a quantised value."""
        self.bytes[name] = scaled
        self.sources.append(name)
        return name

    def like(self, name: str) -> list[str]:
        """The sources of a value's shape, dtype and one scale each, itself among them if it is one."""
        span = self.values[name]
        alike = [each for each in self.sources if self.bytes[each].axis is None]
        return [n for n in alike if self.shape(n) == span.shape and self.values[n].dtype == span.dtype]

    def scaled(self, low: float, high: float, dtype: Any) -> Scaled:
        """A scale and a zero point for a range."""
        step = self.step(low, high)
        return Scaled(self.constant(step), self.constant(self.zero(dtype, low, float(step)), dtype))

    def step(self, low: float, high: float) -> np.float32:
        """A scale with which low..high takes about 256 steps, or half or twice as many."""
        step = max(high - low, 1e-3) / 255 * self.pick((0.5, 1, 1, 2))
        return np.float32(2.0 ** np.ceil(np.log2(step)) if self.powers else step)

    def zero(self, dtype: Any, low: float, step: float) -> np.integer[Any]:
        """A zero point: zero, one that fits a range that begins at `low`, or an extreme one."""
        info = np.iinfo(dtype)
        fitting = int(np.clip(np.rint(info.min - low / step), info.min, info.max))
        return np.dtype(dtype).type(self.pick((0, fitting, fitting, info.min, info.max)))

    def quantise(self, x: str) -> str:
        """A QuantizeLinear, per tensor or seldom per axis."""
        span, dtype = self.values[x], self.pick((np.uint8, np.int8))
        low, high = float(span.low.min()), float(span.high.max())
        axis = self.integer(0, len(span.shape) - 1) if span.shape and self.seldom() else None
        steps = [self.step(low, high) for _ in range(1 if axis is None else span.shape[axis])]
        zeros = [self.zero(dtype, low, float(step)) for step in steps[:3]]
        zeros += zeros[-1:] * (len(steps) - len(zeros))
        if axis is None:
            found = Scaled(self.constant(steps[0]), self.constant(zeros[0], dtype))
        else:
            found = Scaled(self.constant(steps), self.constant(zeros, dtype), axis)
        return self.source(self.node("QuantizeLinear", [x, found.scale, found.zero], **_axis(found)), found)

    def dequantise(self, x: str) -> str:
        """A DequantizeLinear."""
        found = self.bytes[x]
        return self.node("DequantizeLinear", [x, found.scale, found.zero], **_axis(found))

    def weights(self, shape: Sequence[int], axis: int) -> tuple[str, Scaled]:
        """Bytes whose scales, and seldom zero points, may be one per position along an axis."""
        small = self.largest < 128
        dtype = np.int8 if small else self.pick((np.int8, np.int8, np.uint8))
        info = np.iinfo(dtype)
        half = self.pick((1, 1, 2))
        low, high = max(info.min // half, -self.largest), min(info.max // half, self.largest)
        array = self.random().integers(low, high, shape, dtype=dtype, endpoint=True)
        size = shape[axis] if self.integer(0, 1) else 1
        base = 2.0 ** -self.integer(5, 9)
        scales = base * 2.0 ** self.random().integers(-1, 2, size)
        if not self.powers:
            scales = base * self.random().uniform(0.5, 2, size)
        middle = 0 if dtype == np.int8 else self.pick((0, 128))
        zeros = np.full(size, middle, dtype)
        if not small and self.seldom():
            zeros = self.random().integers(info.min, info.max, size, dtype=dtype, endpoint=True)
        if size == 1:
            scales, zeros = scales.reshape(()), zeros.reshape(())
        scaled = Scaled(self.constant(scales), self.constant(zeros, dtype), axis if size > 1 else None)
        name = self.given(array)
        self.bytes[name] = scaled
        return name, scaled

    def real_weights(self, shape: Sequence[int], axis: int) -> tuple[str, Scaled | None]:
        """Weights in f32: mostly dequantised, else floats as they are."""
        if self.seldom():
            return self.constant(self.random().integers(-64, 64, shape) / 128), None
        name, scaled = self.weights(shape, axis)
        return self.dequantise(name), scaled

    def bias(self, size: int, x: Scaled, w: Scaled | None) -> str:
        """A bias in f32: i32 whose scale is the product of those of the operands, or floats as they are."""
        if w is None or x.axis is not None or self.seldom():
            return self.constant(self.random().integers(-64, 64, size) / 64)
        scale = self.constants[x.scale] * self.constants[w.scale]
        steps = self.random().integers(-3000, 3000, size, dtype=np.int32)
        inputs = [self.constant(steps, np.int32), self.constant(scale)]
        if self.integer(0, 1):
            inputs.append(self.constant(np.zeros(scale.shape), np.int32))
        axis: dict[str, Any] = {"axis": 0} if scale.ndim else {}
        return self.node("DequantizeLinear", inputs, **axis)

    def result(self, outputs: Sequence[str]) -> QuantisedGraph:
        """The whole graph; outputs are what nothing uses, and some more."""
        values = {name: self.values[name] for name in outputs}
        infos = [_info(name, span.dtype, span.shape) for name, span in values.items()]
        feeds = [_info(name, array.dtype, array.shape) for name, array in self.feeds.items()]
        used = {name for node in self.nodes for name in node.input}
        weights = [numpy_helper.from_array(array, name) for name, array in self.constants.items() if name in used]
        graph = helper.make_graph(self.nodes, "case", feeds, infos, weights)
        opsets = [helper.make_opsetid("", 18), helper.make_opsetid(RUNTIME, 1)]
        return QuantisedGraph(helper.make_model(graph, opset_imports=opsets, ir_version=8), self.feeds, values)


def _axis(scaled: Scaled) -> dict[str, Any]:
    return {} if scaled.axis is None else {"axis": scaled.axis}


def _info(name: str, dtype: np.dtype[Any], shape: Sequence[int]) -> Any:
    return helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(dtype), shape)
