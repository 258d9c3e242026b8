"""Reductions, normalisations, products, windows and movements give what ONNX Runtime gives."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from lowered import Case, op_names

RNG = np.random.default_rng(11)


def f(*shape: int) -> np.ndarray:
    return RNG.standard_normal(shape).astype(np.float32)


def i64(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


X, IMAGE = f(3, 4, 5), f(2, 6, 9, 8)
FLOAT_REDUCTIONS = [f"Reduce{name}" for name in ("Sum", "Mean", "Max", "Min", "Prod", "L1", "L2", "SumSquare")]

REDUCTIONS = [
    *(
        Case(name, [X], {"keepdims": keep}, {1: i64(*axes)}, opset=18)
        for name in [*FLOAT_REDUCTIONS, "ReduceLogSumExp"]
        for keep, axes in itertools.product((0, 1), ((1,), (-1, 0), (2,)))
    ),
    Case("ReduceLogSum", [np.abs(X) + 1], {}, {1: i64(0)}, opset=18),
    *(Case(name, [X], {"axes": [0, -1]}, opset=11) for name in FLOAT_REDUCTIONS),
    Case("ReduceSum", [X], opset=13),
    Case("ReduceSum", [X], {"noop_with_empty_axes": 1}, opset=13),
    Case("ReduceMax", [(X * 10).astype(np.int32)], {}, {1: i64(1)}, opset=18),
    *(Case(name, [IMAGE]) for name in ("GlobalAveragePool", "GlobalMaxPool", "GlobalLpPool")),
    Case("GlobalLpPool", [IMAGE], {"p": 3}),
    *(
        Case(name, [X], {"axis": axis}, opset=o)
        for name in ("Softmax", "LogSoftmax", "Hardmax")
        for axis in (0, 1, 2)
        for o in (11, 13)
    ),
    *(Case("Hardmax", [X], opset=o) for o in (7, 12, 13)),
    Case("Softmax", [f(2, 5, 1, 1)], {"axis": 1}, opset=11),
    Case("Softmax", [X], {"axis": -2}),
]

C6 = [f(6), f(6), f(6), np.abs(f(6)) + 0.5]
NORMALIZATIONS = [
    Case("BatchNormalization", [IMAGE], {"epsilon": 1e-3}, dict(enumerate(C6, 1)), opset=o) for o in (7, 9, 14, 15)
] + [
    Case("BatchNormalization", [IMAGE, *C6]),
    Case("BatchNormalization", [f(4, 6)], {}, dict(enumerate(C6, 1))),
    Case("InstanceNormalization", [IMAGE, f(6), f(6)]),
    Case("GroupNormalization", [IMAGE, f(6), f(6)], {"num_groups": 3}, opset=21),
    Case("LayerNormalization", [X, f(5), f(5)]),
    Case("LayerNormalization", [X, f(4, 5)], {"axis": 1, "epsilon": 1e-2}),
    Case("LayerNormalization", [X, f(5), f(5)], {"axis": 1}),
    Case("LpNormalization", [np.zeros((2, 3), np.float32)]),
    *(Case("LRN", [IMAGE], {"size": size, "alpha": 0.3, "bias": 2.0}) for size in (1, 3, 5)),
    Case("MeanVarianceNormalization", [IMAGE], opset=13),
    *(Case("LpNormalization", [X], {"p": p, "axis": axis}) for p in (1, 2) for axis in (0, -1)),
]

PRODUCTS = [
    *(
        Case("MatMul", [f(*a), f(*b)])
        for a, b in (
            ((3, 4), (4, 5)),
            ((4,), (4, 5)),
            ((3, 4), (4,)),
            ((4,), (4,)),
            ((2, 1, 3, 4), (5, 4, 2)),
            ((2, 3, 4), (4,)),
            ((4,), (2, 4, 3)),
        )
    ),
    *(
        Case(
            "Gemm",
            [f(*((4, 3) if ta else (3, 4))), f(*((5, 4) if tb else (4, 5))), f(5)],
            {"transA": ta, "transB": tb, "alpha": al, "beta": be},
        )
        for ta, tb, al, be in itertools.product((0, 1), (0, 1), (1.0, 0.5), (1.0, 2.0))
    ),
    *(
        Case(
            "Gemm", [f(3, 4)], {"transB": tb, "alpha": al, "beta": be}, {1: f(*((5, 4) if tb else (4, 5))), 2: f(3, 1)}
        )
        for tb, al, be in itertools.product((0, 1), (1.0, 0.5), (1.0, 2.0, 0.0))
    ),
    Case("Gemm", [f(3, 4), f(4, 5)]),
    *(
        Case("Conv", [f(2, 6, *size), f(8, 6 // g, *kernel), *([f(8)] if bias else [])], {"group": g, **attrs})
        for size, kernel, g, bias, attrs in (
            ((9, 8), (3, 3), 1, True, {}),
            ((9, 8), (3, 3), 2, False, {"pads": [1, 0, 2, 1], "strides": [2, 1]}),
            ((9, 8), (3, 2), 1, False, {"auto_pad": "SAME_UPPER", "strides": [2, 3]}),
            ((9, 8), (2, 3), 1, True, {"auto_pad": "SAME_LOWER"}),
            ((9, 8), (2, 3), 1, True, {"auto_pad": "VALID", "dilations": [2, 2]}),
            ((12,), (5,), 2, True, {"pads": [2, 2], "dilations": [2]}),
            ((5, 6, 4), (3, 2, 2), 1, True, {"strides": [1, 2, 1], "pads": [1, 0, 1, 0, 1, 0]}),
        )
    ),
    Case("Conv", [IMAGE, f(6, 1, 3, 3), f(6)], {"group": 6, "pads": [1, 1, 1, 1]}),
    Case("Conv", [IMAGE, f(12, 1, 3, 3)], {"group": 6}),
]

TRANSPOSED = [
    Case("ConvTranspose", [f(1, 2, 3, 3)], {}, {1: f(2, 3, 3, 3)}),
    *(
        Case("ConvTranspose", [f(2, 6, *size)], {**attrs, "group": group}, {1: f(6, m, *kernel), 2: f(m * group)})
        for size, kernel, m, group, attrs in (
            ((5, 4), (2, 2), 3, 1, {"strides": [2, 2]}),
            ((5, 4), (3, 3), 3, 1, {"strides": [2, 2], "pads": [1, 1, 1, 1], "output_padding": [1, 1]}),
            ((5, 4), (3, 2), 2, 3, {"strides": [1, 3], "pads": [1, 0, 0, 1]}),
            ((5, 4), (4, 4), 1, 6, {"strides": [2, 2], "pads": [1, 1, 1, 1]}),
            ((5, 4), (2, 2), 3, 1, {"strides": [3, 3], "output_padding": [1, 2]}),
            ((5, 4), (3, 3), 3, 1, {"strides": [2, 2], "auto_pad": "SAME_UPPER"}),
            ((5, 4), (3, 3), 3, 1, {"strides": [2, 2], "auto_pad": "SAME_LOWER"}),
            ((5, 4), (3, 3), 3, 1, {"strides": [2, 2], "output_shape": [10, 8]}),
            ((7,), (5,), 2, 1, {"strides": [2], "pads": [2, 1]}),
            ((3, 4, 2), (2, 3, 2), 2, 1, {"strides": [2, 1, 2]}),
        )
    ),
]

POOLS = (
    [
        Case(name, [f(2, 3, 10, 9)], {"kernel_shape": [3, 2], **attrs}, opset=19)
        for name in ("MaxPool", "AveragePool")
        for attrs in (
            {},
            {"strides": [2, 2], "pads": [1, 0, 1, 1]},
            {"strides": [2, 2], "ceil_mode": 1},
            {"strides": [3, 2], "ceil_mode": 1, "pads": [1, 0, 1, 1]},
            {"auto_pad": "SAME_UPPER", "strides": [2, 2]},
            {"auto_pad": "SAME_LOWER"},
            {"dilations": [2, 2]},
        )
    ]
    + [
        Case(
            "AveragePool",
            [f(2, 3, 10, 9)],
            {"kernel_shape": [3, 3], "count_include_pad": 1, "strides": [2, 2], **attrs},
            opset=19,
        )
        for attrs in ({"pads": [1, 1, 1, 1]}, {"pads": [1, 1, 1, 1], "ceil_mode": 1}, {"ceil_mode": 1})
    ]
    + [
        Case("MaxPool", [f(1, 2, 11)], {"kernel_shape": [3], "strides": [2]}),
        Case("MaxPool", [f(1, 2, 5, 6, 4)], {"kernel_shape": [2, 2, 2]}),
        Case(
            "MaxPool",
            [RNG.integers(-9, 9, (1, 2, 6, 6)).astype(np.int8)],
            {"kernel_shape": [2, 2], "pads": [1, 1, 0, 0]},
        ),
    ]
)

MOVEMENTS = [
    Case("Transpose", [X]),
    Case("Transpose", [X], {"perm": [1, 0, 2]}),
    Case("Reshape", [X], {}, {1: i64(0, -1)}),
    Case("Flatten", [X], {"axis": 2}),
    Case("Squeeze", [f(3, 1, 2, 1)], {}, {1: i64(1)}),
    Case("Squeeze", [f(3, 1, 2, 1)], {"axes": [3]}, opset=11),
    Case("Unsqueeze", [X], {}, {1: i64(0, -1)}),
    Case("Identity", [X]),
    Case("Dropout", [X]),
    Case("Dropout", [X], {}, {1: np.asarray(0.5, np.float32), 2: np.asarray(False)}),
    Case("Dropout", [X], {"ratio": 0.5}, opset=10),
    Case("Expand", [f(3, 1)], {}, {1: i64(2, 1, 4)}),
    Case("Concat", [X, f(3, 2, 5)], {"axis": 1}),
    Case("Concat", [X, X], {"axis": -1}),
    Case("Split", [X], {"axis": 1}, {1: i64(1, 3)}, outputs=2),
    Case("Split", [X], {"axis": 1}, outputs=2, opset=13),
    Case("Split", [X], {"axis": 2, "split": [2, 3]}, outputs=2, opset=11),
    Case("Split", [X], {"axis": 2, "num_outputs": 2}, outputs=2, opset=18),
    Case("Tile", [X], {}, {1: i64(2, 1, 3)}),
    Case("DepthToSpace", [f(2, 12, 3, 4)], {"blocksize": 2}),
    Case("DepthToSpace", [f(2, 12, 3, 4)], {"blocksize": 2, "mode": "CRD"}),
    Case("SpaceToDepth", [f(2, 3, 4, 6)], {"blocksize": 2}),
    Case("Slice", [X], {"starts": [1, -3], "ends": [3, 100], "axes": [0, 2]}, opset=9),
    Case("Slice", [X], {}, {1: i64(0, 4), 2: i64(3, -100), 3: i64(0, 2), 4: i64(2, -2)}),
    Case("Slice", [X], {}, {1: i64(-1), 2: i64(-(2**63) + 1), 3: i64(1), 4: i64(-1)}),
    Case("Slice", [X], {}, {1: i64(1, 1), 2: i64(2, 2**62)}),
    *(
        Case("Gather", [X], {"axis": 1}, {1: np.array(index, np.int64)})
        for index in (2, -1, [1], [0, 2], [3, 2, 1], [-2, -1])
    ),
    Case("Pad", [X], {}, {1: i64(1, 0, 2, 0, 1, 0)}),
    Case("Pad", [X], {}, {1: i64(1, -1, 2, 0, 1, -2), 2: np.asarray(3, np.float32)}),
    Case("Pad", [X], {}, {1: i64(1, 2), 2: np.asarray(-np.inf, np.float32), 3: i64(-1)}),
    Case("Pad", [X], {"pads": [0, 0, 1, 1, 0, 0], "value": 2.0}, opset=10),
    *(
        Case("Pad", [X], {"mode": mode}, {1: i64(*pads)}, opset=19)
        for mode in ("reflect", "edge", "wrap")
        for pads in ((0, 0, 2, 0, 0, 3), (1, 2, 0, 2, 1, 1), (0, -1, 1, 0, 2, 0))
    ),
    *(
        Case("Resize", [f(1, 2, 3, 4)], attrs, {2: np.array([1, 1, *scales], np.float32)}, opset=13)
        for scales in ((2, 3), (1, 2))
        for attrs in ({}, {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"})
    ),
    Case("Resize", [f(1, 2, 3, 4)], {}, {3: i64(1, 2, 6, 12)}, opset=13),
    Case("Resize", [f(1, 2, 3, 4)], {}, {1: f(0), 2: np.array([1, 1, 2, 2], np.float32)}, opset=11),
    Case("Concat", [X], {"axis": 1}, {1: f(3, 0, 5)}),
    Case("Resize", [f(1, 2, 3, 4)], {}, {1: np.array([1, 1, 2, 2], np.float32)}, opset=10),
    Case("Upsample", [f(1, 2, 3, 4)], {}, {1: np.array([1, 1, 2, 2], np.float32)}, opset=9),
    Case("Shape", [X]),
    Case("Shape", [X], {"start": 1, "end": -1}),
    Case("Size", [X]),
]

U8 = RNG.integers(0, 256, (2, 3, 4)).astype(np.uint8)
QUANTISED = [
    Case("QuantizeLinear", [f(2, 3, 4) * 9, np.asarray(0.3, np.float32), np.asarray(7, np.uint8)]),
    Case("QuantizeLinear", [f(2, 3, 4) * 9, np.asarray(0.01, np.float32), np.asarray(-3, np.int8)]),
    Case("QuantizeLinear", [f(2, 3, 4), np.abs(f(3)) + 0.1, np.array([1, 0, 5], np.uint8)], {"axis": 1}),
    Case("QuantizeLinear", [f(2, 3, 4), np.abs(f(4)) + 0.1], {"axis": -1}),
    Case("DequantizeLinear", [U8, np.asarray(0.3, np.float32), np.asarray(7, np.uint8)]),
    Case("DequantizeLinear", [U8.astype(np.int8), np.abs(f(3)) + 0.1, np.array([1, 0, 5], np.int8)], {"axis": 1}),
    Case("DequantizeLinear", [U8.astype(np.int32) * 9, np.asarray(0.3, np.float32)]),
]

CASES = [*QUANTISED, *REDUCTIONS, *NORMALIZATIONS, *PRODUCTS, *TRANSPOSED, *POOLS, *MOVEMENTS]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_equals_the_reference(case: Case):
    actual, expected = case.results()
    assert "host" not in op_names(case.lowered()[0])
    for y, reference in zip(actual, expected, strict=True):
        assert y.shape == reference.shape and y.dtype == reference.dtype
        np.testing.assert_allclose(y, reference, rtol=2e-5, atol=2e-6)
