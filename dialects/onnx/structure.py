"""The one op of the dialect that is no ONNX node: the end of a subgraph."""

from collections.abc import Sequence

from xdsl.ir import Operation, SSAValue
from xdsl.irdl import IRDLOperation, irdl_op_definition, traits_def, var_operand_def
from xdsl.traits import IsTerminator, Pure


@irdl_op_definition
class YieldOp(IRDLOperation):
    """Ends a subgraph and gives its outputs: `onnx.yield %a, %b : tensor<f32>, tensor<i1>`."""

    name = "onnx.yield"

    values = var_operand_def()

    traits = traits_def(IsTerminator(), Pure())
    assembly_format = "attr-dict ($values^ `:` type($values))?"

    def __init__(self, values: Sequence[SSAValue | Operation]):
        super().__init__(operands=[values])
