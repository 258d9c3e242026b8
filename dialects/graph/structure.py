"""Operations that hold or call other code: kernels, their terminator, and calls of host operators."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from xdsl.dialects.builtin import ArrayAttr, DictionaryAttr, IntegerAttr, StringAttr, TensorType, i64
from xdsl.ir import Attribute, Operation, Region, SSAValue
from xdsl.irdl import (
    IRDLOperation,
    ParsePropInAttrDict,
    irdl_op_definition,
    lazy_traits_def,
    opt_prop_def,
    prop_def,
    region_def,
    traits_def,
    var_operand_def,
    var_result_def,
)
from xdsl.traits import (
    EffectInstance,
    HasParent,
    IsolatedFromAbove,
    IsTerminator,
    MemoryEffect,
    MemoryEffectKind,
    Pure,
    RecursiveMemoryEffect,
)
from xdsl.utils.exceptions import VerifyException

from vcc.dialects.graph.base import AnyTensor, I64Array, Value, i64s, ints, require, verify_tensors

_KERNEL_DIALECTS = frozenset({"graph", "weights"})
_RANDOM = frozenset(
    {"Bernoulli", "Dropout", "Multinomial", "RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike"}
)

#: The discardable attribute by which a pass says something about the kernel that an operation gets.
REMARK = "remark"


class HostEffect(MemoryEffect):
    """Unused calls may go; calls of random operators must not become one, as if each had storage of its own."""

    @classmethod
    def get_effects(cls, op: Operation) -> set[EffectInstance]:
        if isinstance(op, HostOp) and op.op_type.data in _RANDOM:
            return {EffectInstance(MemoryEffectKind.ALLOC, result) for result in op.results}
        return set()


@irdl_op_definition
class HostOp(IRDLOperation):
    """`graph.host "Unique" %x`: a call of an ONNX operator that runs on the controlling CPU.

    `version` is the operator's since_version and `attributes` its ONNX attributes, as the `onnx` dialect writes them.
    `inputs` has one number per ONNX input, up to the last one present: the operand that it is, or -1 where an
    optional one is absent; `outputs` likewise for results. `reason` says why no kernel does the work.
    """

    name = "graph.host"
    op_type = prop_def(StringAttr)
    domain = prop_def(StringAttr)
    version = prop_def(IntegerAttr.constr(type=i64))
    onnx_attributes = prop_def(DictionaryAttr, prop_name="attributes")
    inputs = prop_def(I64Array)
    outputs = prop_def(I64Array)
    reason = prop_def(StringAttr)
    args = var_operand_def(AnyTensor)
    res = var_result_def(AnyTensor)
    traits = traits_def(HostEffect())
    irdl_options = (ParsePropInAttrDict(),)
    assembly_format = "$op_type $args attr-dict `:` functional-type(operands, results)"

    def __init__(
        self,
        op_type: str,
        domain: str,
        version: int,
        args: Sequence[Value | None],
        result_types: Sequence[Attribute | None],
        *,
        attributes: Mapping[str, Attribute] | None = None,
        reason: str = "",
    ):
        """`args` and `result_types` follow the ONNX inputs and outputs; None stands for one that is absent."""
        super().__init__(
            operands=[[arg for arg in args if arg is not None]],
            result_types=[[type for type in result_types if type is not None]],
            properties={
                "op_type": StringAttr(op_type),
                "domain": StringAttr(domain),
                "version": IntegerAttr(version, i64),
                "attributes": DictionaryAttr(dict(attributes or {})),
                "inputs": i64s(_positions(args)),
                "outputs": i64s(_positions(result_types)),
                "reason": StringAttr(reason),
            },
        )

    def verify_(self) -> None:
        verify_tensors(self)
        for what, indices, values in (
            ("inputs", ints(self.inputs), self.operands),
            ("outputs", ints(self.outputs), self.results),
        ):
            present = [index for index in indices if index != -1]
            require(
                present == list(range(len(values))),
                f"host: {what} {list(indices)} do not name the {len(values)} {what} in order",
            )


def _positions(values: Sequence[object | None]) -> list[int]:
    indices: list[int] = []
    present = 0
    for value in values:
        indices.append(-1 if value is None else present)
        present += value is not None
    while indices and indices[-1] == -1:
        indices.pop()
    return indices


@irdl_op_definition
class YieldOp(IRDLOperation):
    """`graph.yield %a`: the results of a `graph.kernel`."""

    name = "graph.yield"
    values = var_operand_def(AnyTensor)
    traits = lazy_traits_def(lambda: (IsTerminator(), HasParent(KernelOp), Pure()))
    assembly_format = "attr-dict ($values^ `:` type($values))?"

    def __init__(self, *values: Value):
        super().__init__(operands=[values])


@irdl_op_definition
class KernelOp(IRDLOperation):
    """`graph.kernel %x ... { ^bb0(%a: ...): ... graph.yield %b : ... }`: operations that run as one launch.

    The body sees its block arguments alone, which are the operands in order. `kind` names the family of tile code
    that the kernel needs ("conv", "matmul", "elementwise", ...); `remarks` tell what fusion did and why.
    """

    name = "graph.kernel"
    kind = opt_prop_def(StringAttr)
    remarks = opt_prop_def(ArrayAttr[StringAttr])
    inputs = var_operand_def(AnyTensor)
    outputs = var_result_def(AnyTensor)
    body = region_def("single_block")
    traits = traits_def(IsolatedFromAbove(), RecursiveMemoryEffect())
    irdl_options = (ParsePropInAttrDict(),)
    assembly_format = "$inputs attr-dict `:` functional-type(operands, results) $body"

    def __init__(
        self,
        inputs: Sequence[Value],
        result_types: Sequence[TensorType[Attribute]],
        body: Region,
        *,
        kind: str | None = None,
        remarks: Sequence[str] = (),
    ):
        super().__init__(
            operands=[inputs],
            result_types=[result_types],
            regions=[body],
            properties={
                "kind": None if kind is None else StringAttr(kind),
                "remarks": ArrayAttr(map(StringAttr, remarks)) if remarks else None,
            },
        )

    @property
    def yielded(self) -> tuple[SSAValue, ...]:
        """The values inside the body that are the results, in order."""
        last = self.body.block.last_op
        assert isinstance(last, YieldOp)
        return tuple(last.operands)

    def verify_(self) -> None:
        verify_tensors(self)
        block = self.body.block
        _same_types("kernel: block arguments", block.args, "operands", self.operands)
        if not isinstance(block.last_op, YieldOp):
            raise VerifyException("kernel: the body must end in graph.yield")
        _same_types("kernel: yielded values", block.last_op.operands, "results", self.results)
        for op in block.ops:
            dialect = op.name.partition(".")[0]
            require(
                dialect in _KERNEL_DIALECTS and not isinstance(op, (KernelOp, HostOp)),
                f"kernel: {op.name} is not allowed in a kernel",
            )


def _same_types(what: str, values: Sequence[SSAValue], of_what: str, others: Sequence[SSAValue]) -> None:
    actual, expected = [v.type for v in values], [v.type for v in others]
    if actual != expected:
        texts = [", ".join(map(str, types)) or "none" for types in (actual, expected)]
        raise VerifyException(f"{what} are {texts[0]}, {of_what} are {texts[1]}")
