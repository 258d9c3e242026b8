"""Random single layers for Hypothesis, of sizes at which several threads share them: recurrences, 3x3 convolutions."""

from __future__ import annotations

from typing import Any

import numpy as np
from conformance import Array, Case, node, random
from hypothesis import strategies as st
from onnx import helper

GATES = {"LSTM": 4, "GRU": 3, "RNN": 1}
HIDDEN = (1, 3, 8, 17, 32, 70, 128, 200, 256)


@st.composite
def recurrences(draw: Any) -> Case:
    """One to three recurrences after each other, one to four sequences at a time, in one direction or both."""
    steps, batch, size = draw(st.integers(1, 6)), draw(st.sampled_from((1, 1, 2, 3, 4))), draw(st.integers(1, 40))
    feeds: dict[str, Array] = {"x": random(steps, batch, size)}
    constants: dict[str, Array] = {"shape": np.array([steps, batch, -1], np.int64)}
    nodes, value, outputs, terms = [], "x", list[str](), 1
    for i in range(draw(st.integers(1, 3))):
        kind, hidden = draw(st.sampled_from(sorted(GATES))), draw(st.sampled_from(HIDDEN))
        way = draw(st.sampled_from(("forward", "reverse", "bidirectional")))
        directions = 2 if way == "bidirectional" else 1
        rows, scale = GATES[kind] * hidden, hidden**-0.5
        shapes = {"w": (rows, size), "r": (rows, hidden), "b": (2 * rows,)}
        for number, (name, shape) in enumerate(shapes.items()):
            constants[f"{name}{i}"] = random(directions, *shape, seed=3 * i + number, low=-scale, high=scale)
        names = [value, f"w{i}", f"r{i}", f"b{i}" if draw(st.booleans()) else ""]
        if draw(st.booleans()):
            feeds[f"h{i}"] = random(directions, batch, hidden, seed=9 + i)
            names += ["", f"h{i}"]
        attributes: dict[str, Any] = {"hidden_size": hidden, "direction": way}
        if kind == "GRU":
            attributes["linear_before_reset"] = draw(st.integers(0, 1))
        last = draw(st.booleans())
        results = [f"y{i}", f"h{i}last"] if last else [f"y{i}"]
        nodes.append(helper.make_node(kind, names, results, f"{kind}{i}", **attributes))
        nodes.append(node("Transpose", f"y{i}", f"t{i}", perm=[0, 2, 1, 3]))
        nodes.append(node("Reshape", f"t{i} shape", f"v{i}"))
        outputs += results[1:]
        value, size, terms = f"v{i}", directions * hidden, max(terms, hidden)
    return Case("random-recurrences", nodes, feeds, constants, [*outputs, value], terms=terms)


@st.composite
def wide_convolutions(draw: Any) -> Case:
    """Two 3x3 convolutions of many channels, with what may stand around them."""
    batch, channels = draw(st.sampled_from((1, 1, 2))), draw(st.sampled_from((16, 31, 32, 48, 64)))
    height, width = (draw(st.integers(3, 19)) for _ in range(2))
    feeds, constants = {"x": random(batch, channels, height, width)}, dict[str, Array]()
    nodes, value, terms, shape = [], "x", 1, (height, width)
    for i in range(2):
        count, terms = draw(st.sampled_from((16, 32, 33, 64, 80))), max(terms, 9 * channels)
        pads = [draw(st.integers(0, 1)) for _ in range(4)]
        outside = [size + pads[axis] + pads[axis + 2] - 2 for axis, size in enumerate(shape)]
        if min(outside) < 1:
            pads, outside = [1] * 4, list(shape)
        constants[f"w{i}"] = random(count, channels, 3, 3, seed=i) * np.float32((9 * channels) ** -0.5)
        constants[f"b{i}"] = random(count, seed=i)
        nodes.append(node("Conv", [value, f"w{i}", *([f"b{i}"] if draw(st.booleans()) else [])], f"c{i}", pads=pads))
        value, channels, shape = f"c{i}", count, (outside[0], outside[1])
        after = draw(st.sampled_from(("", "Relu", "Add", "MaxPool")))
        if after == "Add":
            constants[f"z{i}"] = random(batch, channels, *shape, seed=i)
            nodes.append(node("Add", [value, f"z{i}"], f"a{i}"))
        elif after == "MaxPool":
            nodes.append(node("MaxPool", [value], f"a{i}", kernel_shape=[3, 3], pads=[1] * 4))
        elif after:
            nodes.append(node(after, [value], f"a{i}"))
        value = f"a{i}" if after else value
    return Case("random-convolutions", nodes, feeds, constants, [value], terms=terms)
