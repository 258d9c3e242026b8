"""An ONNX node while it is lowered: what it says, and the `graph` operations made for it so far."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from xdsl.context import Context
from xdsl.ir import Attribute, Operation, SSAValue
from xdsl.utils.exceptions import VerifyException

from vcc.dialects import graph
from vcc.dialects.graph import Tensor, shape_of, tensor_of
from vcc.dialects.onnx import NodeOp
from vcc.dialects.weights import constant_array, make_constant, numpy_dtype_of


class Node:
    """The node's inputs, attributes and result types, and a builder that collects the operations that replace it.

    The builder's methods return the new operation's result; scalars get the dtype of the first input.
    """

    def __init__(self, op: NodeOp, ctx: Context):
        self.op = op
        self.ctx = ctx
        self.domain = op.domain
        self.op_type = op.op_type
        self.version = op.opset
        self.inputs: tuple[SSAValue | None, ...] = op.inputs
        self.outputs: tuple[SSAValue | None, ...] = tuple(op.results)
        self.new_ops: list[Operation] = []

    # What the node says.

    def input(self, position: int) -> SSAValue | None:
        """The input at an ONNX position, or None where it is absent."""
        return self.inputs[position] if position < len(self.inputs) else None

    def required(self, position: int) -> SSAValue:
        """The input at an ONNX position that the schema says is there."""
        value = self.input(position)
        assert value is not None, f"{self.op_type} has no input {position}"
        return value

    @property
    def x(self) -> SSAValue:
        """The first input."""
        return self.required(0)

    @property
    def present(self) -> list[SSAValue]:
        """All inputs that are there."""
        return [value for value in self.inputs if value is not None]

    def shape(self, position: int) -> tuple[int, ...]:
        """The shape of an input."""
        return shape_of(self.required(position))

    def dtype(self, position: int) -> np.dtype[Any]:
        """The numpy dtype of an input."""
        return numpy_dtype_of(tensor_of(self.required(position)).element_type)

    @property
    def element(self) -> Attribute:
        """The element type of the first input."""
        return tensor_of(self.x).element_type

    def constant(self, position: int) -> np.ndarray[Any, Any] | None:
        """The array of an input, or None where it is absent or not constant."""
        value = self.input(position)
        return None if value is None else constant_array(value, self.ctx)

    def result_type(self, position: int) -> Tensor:
        """The type that shape inference found for an output."""
        return tensor_of(self.op.results[position])

    def result_shape(self, position: int) -> tuple[int, ...]:
        """The shape that shape inference found for an output. Raises VerifyException where it is not known."""
        type = self.result_type(position)
        if not type.has_static_shape():
            raise VerifyException("the shape of an output is not known")
        return type.get_shape()

    def int(self, name: str, default: int) -> int:
        """An integer attribute."""
        return int(self.op.attribute(name, default))

    def float(self, name: str, default: float) -> float:
        """A number attribute."""
        return float(self.op.attribute(name, default))

    def string(self, name: str, default: str) -> str:
        """A text attribute."""
        return str(self.op.attribute(name, default))

    def ints(self, name: str) -> list[int] | None:
        """A list-of-integers attribute, or None where it is not set."""
        value = self.op.attribute(name)
        return None if value is None else [int(v) for v in value]

    def axis(self, value: int, rank: int | None = None) -> int:
        """An axis that may count from the end, as one that does not."""
        rank = len(self.shape(0)) if rank is None else rank
        return value + rank if value < 0 else value

    # The operations that replace it.

    def emit(self, op: Operation) -> SSAValue:
        """Add an operation, and return its first result."""
        self.new_ops.append(op)
        return op.results[0]

    def array(self, array: np.ndarray[Any, Any]) -> SSAValue:
        """A constant."""
        return self.emit(make_constant(array, self.ctx))

    def scalar(self, number: float, like: SSAValue | None = None) -> SSAValue:
        """A constant of rank 0 with the dtype of `like`, by default the first input."""
        element = tensor_of(self.x if like is None else like).element_type
        return self.array(np.asarray(number).astype(numpy_dtype_of(element)))

    def unary(self, fn: str, x: SSAValue) -> SSAValue:
        """graph.unary"""
        return self.emit(graph.UnaryOp(fn, x))

    def binary(self, fn: str, a: SSAValue, b: SSAValue) -> SSAValue:
        """graph.binary"""
        return self.emit(graph.BinaryOp(fn, a, b))

    def scale(self, x: SSAValue, factor: float) -> SSAValue:
        """x times a number; x itself where that is one."""
        return x if factor == 1 else self.binary("mul", x, self.scalar(factor, x))

    def compare(self, fn: str, a: SSAValue, b: SSAValue) -> SSAValue:
        """graph.compare"""
        return self.emit(graph.CompareOp(fn, a, b))

    def select(self, condition: SSAValue, a: SSAValue, b: SSAValue) -> SSAValue:
        """graph.select"""
        return self.emit(graph.SelectOp(condition, a, b))

    def cast(self, x: SSAValue, element: Attribute) -> SSAValue:
        """x in another dtype; x itself where it has it."""
        return x if tensor_of(x).element_type == element else self.emit(graph.CastOp(x, element))

    def reduce(self, fn: str, x: SSAValue, axes: Sequence[int], *, keepdims: bool = True) -> SSAValue:
        """graph.reduce over axes in any order."""
        return self.emit(graph.ReduceOp(fn, x, sorted(axes), keepdims=keepdims))

    def mean(self, x: SSAValue, axes: Sequence[int], *, keepdims: bool = True) -> SSAValue:
        """The sum over the axes times one over their number."""
        count = int(np.prod([shape_of(x)[axis] for axis in axes], dtype=np.int64))
        total = self.reduce("add", x, axes, keepdims=keepdims)
        return self.binary("mul", total, self.scalar(1 / count, x))

    def reshape(self, x: SSAValue, shape: Sequence[int]) -> SSAValue:
        """x in another shape; x itself where it has it."""
        return x if shape_of(x) == tuple(shape) else self.emit(graph.ReshapeOp(x, tuple(shape)))

    def transpose(self, x: SSAValue, perm: Sequence[int]) -> SSAValue:
        """graph.transpose"""
        return self.emit(graph.TransposeOp(x, perm))

    def slice(
        self, x: SSAValue, starts: Sequence[int], sizes: Sequence[int], steps: Sequence[int] | None = None
    ) -> SSAValue:
        """graph.slice with steps of one by default."""
        return self.emit(graph.SliceOp(x, starts, sizes, steps or (1,) * len(starts)))

    def repeat(self, x: SSAValue, shape: Sequence[int], *, whole: bool = False) -> SSAValue:
        """x with every element (or, with `whole`, every axis as a whole) repeated to fill a multiple of its shape."""
        factors = [out // size for out, size in zip(shape, shape_of(x), strict=True)]
        if all(factor == 1 for factor in factors):
            return x
        axes = [(factor, size) if whole else (size, factor) for size, factor in zip(shape_of(x), factors, strict=True)]
        single = [(1, size) if whole else (size, 1) for size in shape_of(x)]
        split = self.reshape(x, [size for pair in single for size in pair])
        copies = self.emit(graph.ExpandOp(split, [size for pair in axes for size in pair]))
        return self.reshape(copies, shape)
