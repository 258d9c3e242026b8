"""What fusion says about a kernel can be read in the binary, under the kernel's first node."""

from __future__ import annotations

import numpy as np
from conformance import compile_model, make_model, node, random


def test_remarks_reach_the_image():
    nodes = [
        node("MatMul", "x w", "m"),
        node("Reshape", "m shape", "r"),
        node("Add", "r bias", "a"),
        node("Relu", "a", "y"),
    ]
    constants = {"w": random(8, 6), "bias": random(3), "shape": np.array([4, 2, 3])}
    image = compile_model(make_model(nodes, {"x": random(4, 8)}, constants, ["y"]), "vn1")
    assert len(image.host.steps) == 1
    assert [(image.nodes[number], text) for number, text in image.remarks] == [
        ("MatMul_m", "fused 2 elementwise operations, which saves 384 bytes of traffic and 5,524 cycles; "
         "stopped: graph.reshape is not elementwise")
    ]  # fmt: skip
