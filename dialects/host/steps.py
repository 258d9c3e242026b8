"""Operations that do something: kernel launches and calls of host operators. They run in the order they stand in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

from xdsl.dialects.builtin import ArrayAttr, DenseArrayBase, DictionaryAttr, IntegerAttr, StringAttr, SymbolRefAttr, i64
from xdsl.ir import Attribute, SSAValue
from xdsl.irdl import (
    AttrSizedOperandSegments,
    IRDLOperation,
    ParsePropInAttrDict,
    irdl_op_definition,
    lazy_traits_def,
    opt_prop_def,
    prop_def,
    var_operand_def,
)
from xdsl.traits import HasParent
from xdsl.utils.exceptions import VerifyException

from vcc.dialects.host.types import BufferType, buffer_type

_I64Array = DenseArrayBase.constr(i64)


def _in_program() -> tuple[HasParent]:
    from vcc.dialects.host.program import ProgramOp

    return (HasParent(ProgramOp),)


def _strings(texts: Sequence[str]) -> ArrayAttr[StringAttr]:
    return ArrayAttr([StringAttr(text) for text in texts])


@irdl_op_definition
class LaunchOp(IRDLOperation):
    """`host.launch @conv_0(%x, %w) -> (%y) {...}`: run a kernel, whose parameters are the inputs, then the outputs.

    `sources[i]` names the ONNX nodes that the kernel's source i stands for in this launch, `taps[i]` the ONNX value
    that its tap i observes ("" for none). An output may lie where an input that dies here lay. `remarks` tell what
    fusion did and why.
    """

    name = "host.launch"
    kernel = prop_def(SymbolRefAttr)
    sources = prop_def(ArrayAttr[ArrayAttr[StringAttr]])
    taps = prop_def(ArrayAttr[StringAttr])
    remarks = opt_prop_def(ArrayAttr[StringAttr])
    inputs = var_operand_def(BufferType)
    outputs = var_operand_def(BufferType)
    traits = lazy_traits_def(_in_program)
    irdl_options = (AttrSizedOperandSegments(as_property=True), ParsePropInAttrDict())
    assembly_format = (
        "$kernel `(` $inputs `)` `->` `(` $outputs `)` attr-dict `:` `(` type($inputs) `)` `->` `(` type($outputs) `)`"
    )

    def __init__(
        self,
        kernel: SymbolRefAttr,
        inputs: Sequence[SSAValue],
        outputs: Sequence[SSAValue],
        sources: ArrayAttr[ArrayAttr[StringAttr]],
        taps: ArrayAttr[StringAttr],
        remarks: ArrayAttr[StringAttr] | None = None,
    ):
        super().__init__(
            operands=[inputs, outputs],
            properties={"kernel": kernel, "sources": sources, "taps": taps, "remarks": remarks},
        )

    @property
    def label(self) -> str:
        """What messages call this step."""
        return f"launch of @{self.kernel.string_value()}"


@irdl_op_definition
class CallOp(IRDLOperation):
    """`host.call "Unique"(%x) -> (%y) {...}`: run one ONNX operator through its reference implementation.

    `version`, `attributes`, `input_positions` and `output_positions` are those of `graph.host`: a position has the
    index of the buffer for each ONNX input or output, -1 where an optional one is absent. `sources` names the ONNX
    nodes, `taps[i]` the ONNX value that output buffer i is ("" for none). Tensors are row-major.
    """

    name = "host.call"
    op_type = prop_def(StringAttr)
    domain = prop_def(StringAttr)
    version = prop_def(IntegerAttr.constr(type=i64))
    onnx_attributes = prop_def(DictionaryAttr, prop_name="attributes")
    input_positions = prop_def(_I64Array)
    output_positions = prop_def(_I64Array)
    reason = prop_def(StringAttr)
    sources = prop_def(ArrayAttr[StringAttr])
    taps = prop_def(ArrayAttr[StringAttr])
    inputs = var_operand_def(BufferType)
    outputs = var_operand_def(BufferType)
    traits = lazy_traits_def(_in_program)
    irdl_options = (AttrSizedOperandSegments(as_property=True), ParsePropInAttrDict())
    assembly_format = (
        "$op_type `(` $inputs `)` `->` `(` $outputs `)` attr-dict `:` `(` type($inputs) `)` `->` `(` type($outputs) `)`"
    )

    def __init__(
        self,
        op_type: str,
        domain: str,
        version: int,
        inputs: Sequence[SSAValue],
        outputs: Sequence[SSAValue],
        *,
        attributes: Mapping[str, Attribute],
        input_positions: Sequence[int],
        output_positions: Sequence[int],
        reason: str,
        sources: Sequence[str],
        taps: Sequence[str],
    ):
        super().__init__(
            operands=[inputs, outputs],
            properties={
                "op_type": StringAttr(op_type),
                "domain": StringAttr(domain),
                "version": IntegerAttr(version, i64),
                "attributes": DictionaryAttr(dict(attributes)),
                "input_positions": DenseArrayBase.from_list(i64, list(input_positions)),
                "output_positions": DenseArrayBase.from_list(i64, list(output_positions)),
                "reason": StringAttr(reason),
                "sources": _strings(sources),
                "taps": _strings(taps),
            },
        )

    @property
    def label(self) -> str:
        """What messages call this step."""
        return f"call of {self.op_type.data}"

    def verify_(self) -> None:
        name = self.op_type.data
        for what, positions, buffers in (
            ("inputs", self.input_positions, self.inputs),
            ("outputs", self.output_positions, self.outputs),
        ):
            given = [int(index) for index in positions.get_values()]
            if [index for index in given if index != -1] != list(range(len(buffers))):
                raise VerifyException(
                    f"call: positions {given} do not name the {len(buffers)} {what} of {name} in order"
                )
            for buffer in buffers:
                if not (type := buffer_type(buffer)).row_major:
                    raise VerifyException(f"call: {name} takes row-major tensors, not {type.tensor}")
        if len(self.taps) != len(self.outputs):
            raise VerifyException(f"call: {name} has {len(self.outputs)} outputs but {len(self.taps)} taps")


StepOp: TypeAlias = LaunchOp | CallOp
