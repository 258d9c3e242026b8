"""What no phase after the graph phase can take: looked for once, so that it is all reported at once."""

from __future__ import annotations

from xdsl.dialects.builtin import ModuleOp, TensorType
from xdsl.ir import Attribute, Operation, SSAValue

from vcc.dialects.graph import HostOp
from vcc.dialects.onnx import describe
from vcc.dialects.origin import node_names
from vcc.dialects.weights import ConstantOp, numpy_dtype_of
from vcc.runtime.diagnostics import Diagnostic, VccError
from vcc.runtime.isa.dtypes import dtype_of


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
