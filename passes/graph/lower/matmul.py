"""Matrix products."""

from __future__ import annotations

import numpy as np
from xdsl.ir import SSAValue

from vcc.dialects import graph
from vcc.dialects.graph import shape_of
from vcc.passes.graph.lower.constraints import float_tensors, machine_multiplies
from vcc.passes.graph.lower.node import Node
from vcc.passes.graph.lower.registry import lowers


@lowers("MatMul", needs=[float_tensors, machine_multiplies])
def lower_matmul(node: Node) -> SSAValue:
    """A vector operand is a matrix of one row or column, whose axis goes afterwards."""
    a, b = node.required(0), node.required(1)
    if len(shape_of(a)) == 1:
        a = node.reshape(a, (1, *shape_of(a)))
    if len(shape_of(b)) == 1:
        b = node.reshape(b, (*shape_of(b), 1))
    return node.reshape(node.emit(graph.MatmulOp(a, b)), node.result_shape(0))


@lowers("Gemm", needs=[float_tensors, machine_multiplies])
def lower_gemm(node: Node) -> SSAValue:
    """alpha * A' * B' + beta * C, with the factors inside constants where there are."""
    a, b = node.required(0), node.required(1)
    if node.int("transA", 0):
        a = node.transpose(a, (1, 0))
    weights = node.constant(1)
    alpha = node.float("alpha", 1.0)
    if weights is not None:
        matrix = weights.T if node.int("transB", 0) else weights
        scaled = matrix if alpha == 1 else matrix * np.asarray(alpha, matrix.dtype)
        b, alpha = b if scaled is weights else node.array(np.ascontiguousarray(scaled)), 1.0
    elif node.int("transB", 0):
        b = node.transpose(b, (1, 0))
    result = node.scale(node.emit(graph.MatmulOp(a, b)), alpha)
    return _add_bias(node, result)


def _add_bias(node: Node, result: SSAValue) -> SSAValue:
    c, beta = node.input(2), node.float("beta", 1.0)
    if c is None or beta == 0:
        return result
    constant = node.constant(2)
    if constant is not None and beta != 1:
        return node.binary("add", result, node.array(constant * np.asarray(beta, constant.dtype)))
    return node.binary("add", result, node.scale(c, beta))
