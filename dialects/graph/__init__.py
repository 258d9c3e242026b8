"""The `graph` dialect: a closed set of tensor operations on ranked, static tensors, to which every model lowers.

Elementwise functions have the names of the instruction set's mnemonics. Constants are `weights.constant`. Every
constructor computes the result type from the operands; the verifier uses the same rule.
"""

from __future__ import annotations

from xdsl.ir import Dialect

from vcc.dialects.graph.attributes import (
    ArgFn,
    ArgFnAttr,
    BinaryFn,
    BinaryFnAttr,
    Blocked,
    CompareFn,
    CompareFnAttr,
    PoolFn,
    PoolFnAttr,
    ReduceFn,
    ReduceFnAttr,
    UnaryFn,
    UnaryFnAttr,
)
from vcc.dialects.graph.base import GraphOp, Tensor, i64s, ints, shape_of, tensor_of
from vcc.dialects.graph.contraction import ConvOp, MatmulOp
from vcc.dialects.graph.elementwise import BinaryOp, CastOp, CompareOp, LookupOp, SelectOp, UnaryOp
from vcc.dialects.graph.fused import AttentionOp, GeluApproximation, GeluApproximationAttr, GeluOp, RmsNormOp
from vcc.dialects.graph.indexed import GatherElementsOp, GatherOp, ScatterElementsOp, ScatterOp
from vcc.dialects.graph.movement import ConcatOp, ExpandOp, PadOp, RelayoutOp, ReshapeOp, SliceOp, TransposeOp
from vcc.dialects.graph.ranking import ArgOp, CumSumOp, TopKOp
from vcc.dialects.graph.recurrence import Cell, CellAttr, RecurrenceOp
from vcc.dialects.graph.reduction import LayerNormOp, ReduceOp, SoftmaxOp
from vcc.dialects.graph.structure import HostOp, KernelOp, YieldOp
from vcc.dialects.graph.window import PoolOp, Window, window_of

__all__ = [
    "ArgFn",
    "ArgOp",
    "AttentionOp",
    "BinaryFn",
    "BinaryOp",
    "Blocked",
    "CastOp",
    "Cell",
    "CellAttr",
    "CompareFn",
    "CompareOp",
    "ConcatOp",
    "ConvOp",
    "CumSumOp",
    "ExpandOp",
    "GatherElementsOp",
    "GatherOp",
    "GeluApproximation",
    "GeluOp",
    "Graph",
    "GraphOp",
    "HostOp",
    "KernelOp",
    "LayerNormOp",
    "LookupOp",
    "MatmulOp",
    "PadOp",
    "PoolFn",
    "PoolOp",
    "RecurrenceOp",
    "ReduceFn",
    "ReduceOp",
    "RelayoutOp",
    "ReshapeOp",
    "RmsNormOp",
    "ScatterElementsOp",
    "ScatterOp",
    "SelectOp",
    "SliceOp",
    "SoftmaxOp",
    "Tensor",
    "TopKOp",
    "TransposeOp",
    "UnaryFn",
    "UnaryOp",
    "Window",
    "YieldOp",
    "i64s",
    "ints",
    "shape_of",
    "tensor_of",
    "window_of",
]

Graph = Dialect(
    "graph",
    [
        UnaryOp,
        BinaryOp,
        CompareOp,
        SelectOp,
        CastOp,
        LookupOp,
        ReduceOp,
        SoftmaxOp,
        LayerNormOp,
        GeluOp,
        RmsNormOp,
        AttentionOp,
        ArgOp,
        TopKOp,
        CumSumOp,
        RecurrenceOp,
        MatmulOp,
        ConvOp,
        PoolOp,
        TransposeOp,
        ReshapeOp,
        SliceOp,
        ConcatOp,
        PadOp,
        ExpandOp,
        RelayoutOp,
        GatherOp,
        GatherElementsOp,
        ScatterOp,
        ScatterElementsOp,
        HostOp,
        KernelOp,
        YieldOp,
    ],
    [
        Blocked,
        CellAttr,
        ArgFnAttr,
        UnaryFnAttr,
        BinaryFnAttr,
        CompareFnAttr,
        ReduceFnAttr,
        PoolFnAttr,
        GeluApproximationAttr,
    ],
)
