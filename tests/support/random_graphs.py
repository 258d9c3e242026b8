"""Random small ONNX graphs of the operators that have kernels, for Hypothesis."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from conformance import Case, random
from hypothesis import strategies as st
from numpy.typing import NDArray
from onnx import NodeProto, helper

Draw = Any
Shape = tuple[int, ...]

#: Functions whose results stay in the range of their arguments, so that chains of them neither explode nor vanish.
UNARY = ("Relu", "Tanh", "Sigmoid", "Abs", "Neg", "Erf", "HardSwish", "Floor", "Sin")
BINARY = ("Add", "Sub", "Mul", "Max", "Min")


@dataclass
class GraphMaker:
    """A graph being drawn: its values with their shapes, newest last."""

    draw: Draw
    nodes: list[NodeProto] = field(default_factory=list[NodeProto])
    constants: dict[str, NDArray[Any]] = field(default_factory=dict[str, NDArray[Any]])
    values: dict[str, Shape] = field(default_factory=dict[str, Shape])

    def integer(self, low: int, high: int) -> int:
        return self.draw(st.integers(low, high))

    def pick(self, options: Any) -> Any:
        return self.draw(st.sampled_from(list(options)))

    def constant(self, *shape: int, scale: float = 1.0) -> str:
        """A weight of its own."""
        name = f"k{len(self.constants)}"
        self.constants[name] = (random(*shape, seed=len(self.constants) + 1) * scale).astype(np.float32)
        return name

    def numbers(self, *values: int) -> str:
        """A constant of integers."""
        name = f"k{len(self.constants)}"
        self.constants[name] = np.array(values, np.int64)
        return name

    def add(self, op_type: str, inputs: list[str], shape: Shape, **attributes: Any) -> None:
        """A node with one output of that shape."""
        name = f"v{len(self.values)}"
        self.nodes.append(helper.make_node(op_type, inputs, [name], name=f"{op_type}_{name}", **attributes))
        self.values[name] = shape

    def step(self) -> None:
        """One more node on a value drawn from the newest ones."""
        x = self.pick(list(self.values)[-3:])
        shape = self.values[x]
        kinds = ["unary", "binary", "transpose", "reshape", "slice", "concat", "reduce", "softmax", "pad"]
        kinds += ["gather", "nested"]
        images = ["conv", "pool", "depthwise", "conv", "pool", "depthwise", "squeeze", "pyramid"]
        kinds += images if len(shape) == 4 else ["matmul"] * 2 if len(shape) > 1 else []
        getattr(self, f"_{self.pick(kinds)}")(x, shape)

    def _unary(self, x: str, shape: Shape) -> None:
        self.add(self.pick(UNARY), [x], shape)

    def _binary(self, x: str, shape: Shape) -> None:
        alike = [name for name, other in self.values.items() if other == shape]
        small = tuple(size if self.draw(st.booleans()) else 1 for size in shape)
        other = self.pick(alike) if self.draw(st.booleans()) else self.constant(*small)
        self.add(self.pick(BINARY), [x, other] if self.draw(st.booleans()) else [other, x], shape)

    def _transpose(self, x: str, shape: Shape) -> None:
        perm = self.draw(st.permutations(range(len(shape))))
        self.add("Transpose", [x], tuple(shape[p] for p in perm), perm=perm)

    def _reshape(self, x: str, shape: Shape) -> None:
        axis = self.integer(0, len(shape) - 1)
        if len(shape) > 1 and axis > 0 and self.draw(st.booleans()):
            new = (*shape[: axis - 1], shape[axis - 1] * shape[axis], *shape[axis + 1 :])
        elif shape[axis] % 2 == 0 and len(shape) < 5:
            new = (*shape[:axis], 2, shape[axis] // 2, *shape[axis + 1 :])
        else:
            new = shape
        self.add("Reshape", [x, self.numbers(*new)], new)

    def _slice(self, x: str, shape: Shape) -> None:
        axis = self.integer(0, len(shape) - 1)
        start = self.integer(0, shape[axis] - 1)
        step = self.integer(1, 2)
        new = (*shape[:axis], -(-(shape[axis] - start) // step), *shape[axis + 1 :])
        bounds = [self.numbers(n) for n in (start, shape[axis], axis, step)]
        self.add("Slice", [x, *bounds], new)

    def _concat(self, x: str, shape: Shape) -> None:
        axis = self.integer(0, len(shape) - 1)
        width = self.integer(1, 5)
        other = self.constant(*shape[:axis], width, *shape[axis + 1 :])
        self.add("Concat", [x, other], (*shape[:axis], shape[axis] + width, *shape[axis + 1 :]), axis=axis)

    def _gather(self, x: str, shape: Shape) -> None:
        """Rows by an index that is a constant or computed, and something added to them."""
        axis, count = self.integer(0, len(shape) - 1), self.integer(1, 6)
        index = self.numbers(*(self.integer(-shape[axis], shape[axis] - 1) for _ in range(count)))
        new = (*shape[:axis], count, *shape[axis + 1 :])
        self.add("Gather", [x, index], new, axis=axis)
        if self.draw(st.booleans()):
            self.add("Add", [list(self.values)[-1], self.constant(*new[1:])], new)

    def _nested(self, x: str, shape: Shape) -> None:
        """A concatenation of a concatenation and something computed, along one axis or two."""
        inner, outer = (self.integer(0, len(shape) - 1) for _ in range(2))
        self.add("Tanh", [x], shape)
        twice = tuple(size * 2 if i == inner else size for i, size in enumerate(shape))
        self.add("Concat", [x, list(self.values)[-1]], twice, axis=inner)
        other = self.constant(*(2 if i == outer else size for i, size in enumerate(twice)))
        new = tuple(size + 2 if i == outer else size for i, size in enumerate(twice))
        self.add("Concat", [list(self.values)[-1], other], new, axis=outer)
        if self.draw(st.booleans()):
            self.add("Mul", [list(self.values)[-1], self.constant(*new[-1:])], new)

    def _squeeze(self, x: str, shape: Shape) -> None:
        """A squeeze-and-excite block, often with a convolution behind it."""
        small = (*shape[:2], 1, 1)
        self.add("GlobalAveragePool", [x], small)
        weights = self.constant(shape[1], shape[1], 1, 1, scale=shape[1] ** -0.5)
        self.add("Conv", [list(self.values)[-1], weights], small)
        self.add("HardSigmoid", [list(self.values)[-1]], small)
        self.add("Mul", [x, list(self.values)[-1]], shape)
        if self.draw(st.booleans()):
            self.add("Add", [x, list(self.values)[-1]], shape)

    def _pyramid(self, x: str, shape: Shape) -> None:
        """A tensor enlarged to its nearest neighbours, added to another or behind it."""
        factors = [self.integer(1, 3) for _ in shape[2:]]
        new = (*shape[:2], *(size * factor for size, factor in zip(shape[2:], factors, strict=True)))
        if max(new[2:]) > 40:
            return self._unary(x, shape)
        scales = self.constant(4)
        self.constants[scales] = np.array([1, 1, *factors], np.float32)
        modes = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
        self.add("Resize", [x, "", scales], new, **modes)
        if self.draw(st.booleans()):
            self.add("Add", [list(self.values)[-1], self.constant(*new)], new)
        else:
            channels = self.integer(1, 5)
            other = self.constant(shape[0], channels, *new[2:])
            self.add("Concat", [list(self.values)[-1], other], (new[0], new[1] + channels, *new[2:]), axis=1)
        return None

    def _reduce(self, x: str, shape: Shape) -> None:
        axes = sorted(self.draw(st.sets(st.integers(0, len(shape) - 1), min_size=1, max_size=2)))
        keep = len(axes) == len(shape) or self.draw(st.booleans())
        new = tuple(1 if i in axes else size for i, size in enumerate(shape) if keep or i not in axes)
        self.add(self.pick(("ReduceMean", "ReduceMax", "ReduceMin")), [x, self.numbers(*axes)], new, keepdims=int(keep))

    def _softmax(self, x: str, shape: Shape) -> None:
        self.add("Softmax", [x], shape, axis=self.integer(0, len(shape) - 1))

    def _pad(self, x: str, shape: Shape) -> None:
        low, high = ([self.integer(0, 2) for _ in shape] for _ in range(2))
        new = tuple(a + size + b for a, size, b in zip(low, shape, high, strict=True))
        self.add("Pad", [x, self.numbers(*low, *high)], new)

    def _matmul(self, x: str, shape: Shape) -> None:
        columns = self.integer(1, 20)
        self.add("MatMul", [x, self.constant(shape[-1], columns, scale=shape[-1] ** -0.5)], (*shape[:-1], columns))

    def _window(self, shape: Shape) -> tuple[dict[str, Any], tuple[int, int]]:
        kernel = [self.integer(1, min(3, size)) for size in shape[2:]]
        strides = [self.integer(1, 2) for _ in kernel]
        pads = [self.integer(0, k - 1) for k in kernel * 2]
        height, width = (
            (size + pads[i] + pads[i + 2] - kernel[i]) // strides[i] + 1 for i, size in enumerate(shape[2:])
        )
        return {"kernel_shape": kernel, "strides": strides, "pads": pads}, (height, width)

    def _conv(self, x: str, shape: Shape) -> None:
        window, out = self._window(shape)
        channels = self.pick((1, 3, 8, 16, 20))
        terms = shape[1] * window["kernel_shape"][0] * window["kernel_shape"][1]
        inputs = [x, self.constant(channels, shape[1], *window["kernel_shape"], scale=terms**-0.5)]
        if self.draw(st.booleans()):
            inputs.append(self.constant(channels))
        self.add("Conv", inputs, (shape[0], channels, *out), **window)

    def _depthwise(self, x: str, shape: Shape) -> None:
        window, out = self._window(shape)
        weights = self.constant(shape[1], 1, *window["kernel_shape"])
        self.add("Conv", [x, weights], (*shape[:2], *out), group=shape[1], **window)

    def _pool(self, x: str, shape: Shape) -> None:
        window, out = self._window(shape)
        self.add(self.pick(("MaxPool", "AveragePool")), [x], (*shape[:2], *out), **window)


@st.composite
def graphs(draw: Draw) -> Case:
    """A graph of up to ten operators on one input; all values that nothing uses are outputs."""
    maker = GraphMaker(draw)
    shape: Shape = draw(
        st.one_of(
            st.tuples(st.integers(1, 2), st.sampled_from((1, 3, 8, 16, 17, 32)), st.integers(2, 9), st.integers(2, 9)),
            st.tuples(st.integers(1, 9), st.integers(1, 40)),
            st.tuples(st.integers(1, 4), st.integers(1, 9), st.integers(1, 20)),
        )
    )
    maker.values["x"] = shape
    for _ in range(draw(st.integers(1, 10))):
        maker.step()
    used = {name for node in maker.nodes for name in node.input}
    outputs = [name for name in maker.values if name not in used]
    return Case("random", maker.nodes, {"x": random(*shape)}, maker.constants, outputs, terms=10)
