"""What no phase after the graph phase can take: looked for once, so that it is all reported at once."""

from __future__ import annotations

from math import prod

from xdsl.dialects.builtin import ModuleOp, TensorType
from xdsl.ir import Attribute, Operation, Region, SSAValue

from vcc.dialects.graph import HostOp
from vcc.dialects.onnx import describe
from vcc.dialects.origin import node_names
from vcc.dialects.weights import ConstantOp, numpy_dtype_of
from vcc.runtime.diagnostics import Diagnostic, VccError, merged
from vcc.runtime.isa.dtypes import dtype_of
from vcc.runtime.isa.limits import MAX_BYTES


def check_dtypes(module: ModuleOp) -> None:
    """E0121 for every operation with a dtype that programs cannot hold, such as the 4-bit and 8-bit floats."""
    found: dict[tuple[str, str], Diagnostic] = {}
    for op in module.walk():
        # A constant that is left shows at its users, which have a node.
        if isinstance(op, ConstantOp):
            continue
        values: tuple[SSAValue, ...] = (*op.operands, *op.results)
        for value in values:
            if not is_known(value.type):
                diagnostic = _diagnostic(op, value.type)
                found.setdefault((diagnostic.node, diagnostic.op), diagnostic)
    if found:
        # The end of the function repeats what the nodes say, unless there are none.
        raise VccError([each for each in found.values() if each.node] or list(found.values()))


def check_sizes(module: ModuleOp) -> None:
    """E0141 for every operation that makes a tensor of more bytes than a binary can describe, and for such inputs."""
    found: list[Diagnostic] = []
    for op in module.walk():
        values: tuple[SSAValue, ...] = (*op.results, *(arg for region in op.regions for arg in _arguments(region)))
        for value in values:
            nbytes = _bytes(value.type)
            if nbytes > MAX_BYTES:
                message = f"{describe(value.type)} has {nbytes} bytes; no tensor can have more than {MAX_BYTES}"
                found.append(Diagnostic("E0141", message, ", ".join(node_names(op)), help="give inputs smaller sizes"))
    if found:
        raise VccError(merged(found))


def _arguments(region: Region) -> tuple[SSAValue, ...]:
    return tuple(region.blocks[0].args) if region.blocks else ()


def _bytes(type: Attribute) -> int:
    if not isinstance(type, TensorType) or not type.has_static_shape():
        return 0
    return prod(type.get_shape()) * numpy_dtype_of(type.element_type).itemsize


def is_known(type: Attribute) -> bool:
    """Whether a program can hold values of a type; true for whatever is not a tensor."""
    if not isinstance(type, TensorType):
        return True
    try:
        dtype_of(numpy_dtype_of(type.element_type))
    except (KeyError, VccError):
        return False
    return True


def _diagnostic(op: Operation, type: Attribute) -> Diagnostic:
    operands, results = (", ".join(describe(value.type) for value in each) for each in (op.operands, op.results))
    element = describe(type).partition("[")[0]
    message = f"tensors of dtype {element} are not supported"
    help = "vcc computes with f16, bf16, f32, f64, bool and integers of 8 to 64 bits; export the model with one of them"
    name = op.op_type.data if isinstance(op, HostOp) else op.name
    return Diagnostic("E0121", message, ", ".join(node_names(op)), name, f"{operands} -> {results}", help)
