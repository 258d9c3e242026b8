"""The pass `form-integer-products`: quantised models multiply bytes, as they mean to.

Models say quantisation by DequantizeLinear nodes before each product and QuantizeLinear nodes after it ("QDQ"). Where
both operands of a MatMul, Gemm or Conv are dequantised bytes, the product of the bytes has the same value but for the
rounding of floats, is exact, and takes a quarter of the time.
"""

from __future__ import annotations

from dataclasses import dataclass

from typing_extensions import override
from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass

from vcc.dialects.onnx import SchemaOp
from vcc.dialects.visa import TargetMachine
from vcc.passes.graph.quantised.movements import (
    DequantiseLater,
    QuantiseAgain,
    QuantisePieces,
    SaturatedAnyway,
    SplitBytes,
)
from vcc.passes.graph.quantised.products import MultiplyBytes
from vcc.passes.graph.quantised.signs import SignedOperand
from vcc.passes.rewriting import rewrite


@dataclass(frozen=True)
class FormIntegerProducts(ModulePass):
    """Multiplies bytes where operands are dequantised from bytes, if the machine can; without a target it does."""

    name = "form-integer-products"

    @override
    def apply(self, ctx: Context, op: ModuleOp) -> None:
        target = ctx.get_dialect("visa").get_interface(TargetMachine)
        machine = None if target is None else target.machine
        if machine is not None and "i8" not in machine.macs:
            return
        if not any(isinstance(each, SchemaOp) and each.op_type == "DequantizeLinear" for each in op.walk()):
            return
        moves = [QuantiseAgain(ctx), SaturatedAnyway(ctx), DequantiseLater(ctx), SplitBytes(), QuantisePieces()]
        rewrite(op, moves, pass_name=self.name)
        rewrite(op, [SignedOperand(ctx)], pass_name=self.name)
        rewrite(op, [MultiplyBytes(ctx)], pass_name=self.name)
