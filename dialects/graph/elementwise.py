"""Operations that treat every element alone: unary, binary, compare, select, cast. Operands broadcast as in numpy."""

from __future__ import annotations

from collections.abc import Sequence

from xdsl.dialects.builtin import IntegerType, Signedness, TensorType, i1
from xdsl.ir import Attribute, SSAValue
from xdsl.irdl import irdl_op_definition, operand_def, prop_def, result_def, traits_def
from xdsl.traits import Pure

from vcc.dialects.graph.attributes import BinaryFn, BinaryFnAttr, CompareFn, CompareFnAttr, UnaryFn, UnaryFnAttr
from vcc.dialects.graph.base import (
    AnyTensor,
    GraphOp,
    Tensor,
    Value,
    broadcast,
    elementwise_type,
    is_bool,
    is_float,
    is_int,
    require,
    same_dtype,
    shape_text,
    tensor_of,
)

#: Elements of the table of a lookup: as many as there are bytes.
ENTRIES = 256

_NUMERIC_UNARY = frozenset({UnaryFn.ABS, UnaryFn.NEG, UnaryFn.SIGN, UnaryFn.RELU})
_LOGICAL_BINARY = frozenset({BinaryFn.AND, BinaryFn.OR, BinaryFn.XOR})


def unary_type(fn: UnaryFn, x: Tensor) -> Tensor:
    """`not` takes i1; abs, neg, sign and relu take numbers; the others take floats."""
    element = x.element_type
    if fn is UnaryFn.NOT:
        require(is_bool(element), f"unary: not takes i1, not {element}")
    elif fn in _NUMERIC_UNARY:
        require(is_float(element) or is_int(element), f"unary: {fn} takes numbers, not {element}")
    else:
        require(is_float(element), f"unary: {fn} takes floats, not {element}")
    return elementwise_type(element, [x], x.get_shape())


def binary_type(fn: BinaryFn, a: Tensor, b: Tensor) -> Tensor:
    """Operands of one dtype: numbers, or integers and i1 for and, or, xor."""
    element = same_dtype(f"binary {fn}", [a, b])
    if fn in _LOGICAL_BINARY:
        require(is_bool(element) or is_int(element), f"binary: {fn} takes integers or i1, not {element}")
    else:
        require(is_float(element) or is_int(element), f"binary: {fn} takes numbers, not {element}")
    return elementwise_type(element, [a, b], broadcast(f"binary {fn}", [a, b]))


def compare_type(fn: CompareFn, a: Tensor, b: Tensor) -> Tensor:
    """Operands of one dtype; the result is i1."""
    element = same_dtype(f"compare {fn}", [a, b])
    ordered = fn not in (CompareFn.EQ, CompareFn.NE)
    require(not (ordered and is_bool(element)), f"compare: {fn} does not order i1")
    return elementwise_type(i1, [a, b], broadcast(f"compare {fn}", [a, b]))


def select_type(condition: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """The condition is i1; the two values have one dtype; all three broadcast."""
    require(is_bool(condition.element_type), f"select: condition is {condition.element_type}, not i1")
    types: Sequence[Tensor] = [a, b, condition]
    return elementwise_type(same_dtype("select", [a, b]), types, broadcast("select", types))


def lookup_type(x: Tensor, table: Tensor) -> Tensor:
    """Unsigned bytes, and a vector of 256 bytes."""
    require(x.element_type == IntegerType(8, Signedness.UNSIGNED), f"lookup: x is of {x.element_type}, not of ui8")
    element, own = table.element_type, table.get_shape()
    require(isinstance(element, IntegerType) and element.width.data == 8, f"lookup: the table is of {element}")
    require(own == (ENTRIES,), f"lookup: the table is {shape_text(own)}, not {ENTRIES} elements")
    return elementwise_type(element, [x], x.get_shape())


@irdl_op_definition
class UnaryOp(GraphOp):
    """`graph.unary relu %x`: a function of every element."""

    name = "graph.unary"
    fn = prop_def(UnaryFnAttr)
    x = operand_def(AnyTensor)
    result = result_def(AnyTensor)
    traits = traits_def(Pure())
    assembly_format = "$fn $x attr-dict `:` functional-type(operands, results)"

    def __init__(self, fn: UnaryFn | str, x: Value):
        fn = UnaryFn(fn)
        super().__init__(operands=[x], properties={"fn": UnaryFnAttr(fn)}, result_types=[unary_type(fn, tensor_of(x))])

    def inferred_type(self) -> Tensor:
        return unary_type(self.fn.data, tensor_of(self.x))


@irdl_op_definition
class BinaryOp(GraphOp):
    """`graph.binary add %a, %b`: a function of two elements; the operands broadcast."""

    name = "graph.binary"
    fn = prop_def(BinaryFnAttr)
    a = operand_def(AnyTensor)
    b = operand_def(AnyTensor)
    result = result_def(AnyTensor)
    traits = traits_def(Pure())
    assembly_format = "$fn $a `,` $b attr-dict `:` functional-type(operands, results)"

    def __init__(self, fn: BinaryFn | str, a: Value, b: Value):
        fn = BinaryFn(fn)
        super().__init__(
            operands=[a, b],
            properties={"fn": BinaryFnAttr(fn)},
            result_types=[binary_type(fn, tensor_of(a), tensor_of(b))],
        )

    def inferred_type(self) -> Tensor:
        return binary_type(self.fn.data, tensor_of(self.a), tensor_of(self.b))


@irdl_op_definition
class CompareOp(GraphOp):
    """`graph.compare lt %a, %b`: a relation of two elements as i1; the operands broadcast."""

    name = "graph.compare"
    fn = prop_def(CompareFnAttr)
    a = operand_def(AnyTensor)
    b = operand_def(AnyTensor)
    result = result_def(AnyTensor)
    traits = traits_def(Pure())
    assembly_format = "$fn $a `,` $b attr-dict `:` functional-type(operands, results)"

    def __init__(self, fn: CompareFn | str, a: Value, b: Value):
        fn = CompareFn(fn)
        super().__init__(
            operands=[a, b],
            properties={"fn": CompareFnAttr(fn)},
            result_types=[compare_type(fn, tensor_of(a), tensor_of(b))],
        )

    def inferred_type(self) -> Tensor:
        return compare_type(self.fn.data, tensor_of(self.a), tensor_of(self.b))


@irdl_op_definition
class SelectOp(GraphOp):
    """`graph.select %condition, %a, %b`: `a` where the condition holds, else `b`; the operands broadcast."""

    name = "graph.select"
    condition = operand_def(AnyTensor)
    a = operand_def(AnyTensor)
    b = operand_def(AnyTensor)
    result = result_def(AnyTensor)
    traits = traits_def(Pure())
    assembly_format = "$condition `,` $a `,` $b attr-dict `:` functional-type(operands, results)"

    def __init__(self, condition: Value, a: Value, b: Value):
        super().__init__(
            operands=[condition, a, b], result_types=[select_type(tensor_of(condition), tensor_of(a), tensor_of(b))]
        )

    def inferred_type(self) -> Tensor:
        return select_type(tensor_of(self.condition), tensor_of(self.a), tensor_of(self.b))


@irdl_op_definition
class CastOp(GraphOp):
    """`graph.cast %x`: every element in another dtype; floats truncate to integers, and i1 is "not zero"."""

    name = "graph.cast"
    x = operand_def(AnyTensor)
    result = result_def(AnyTensor)
    traits = traits_def(Pure())
    assembly_format = "$x attr-dict `:` functional-type(operands, results)"

    def __init__(self, x: SSAValue, element: Attribute):
        type = tensor_of(x)
        super().__init__(operands=[x], result_types=[TensorType(element, type.get_shape(), type.encoding)])

    def inferred_type(self) -> Tensor:
        type, element = tensor_of(self.x), tensor_of(self.result).element_type
        known = is_float(element) or is_int(element) or is_bool(element)
        require(known, f"cast: {element} is not a number type")
        return TensorType(element, type.get_shape(), type.encoding)


@irdl_op_definition
class LookupOp(GraphOp):
    """`graph.lookup %x in %table`: for every byte of x the element of that number of a constant table of 256.

    The table is no tensor that broadcasts: it stays as it is, whatever becomes of the shape of x.
    """

    name = "graph.lookup"
    x = operand_def(AnyTensor)
    table = operand_def(AnyTensor)
    result = result_def(AnyTensor)
    traits = traits_def(Pure())
    assembly_format = "$x `in` $table attr-dict `:` functional-type(operands, results)"

    def __init__(self, x: Value, table: Value):
        super().__init__(operands=[x, table], result_types=[lookup_type(tensor_of(x), tensor_of(table))])

    def inferred_type(self) -> Tensor:
        return lookup_type(tensor_of(self.x), tensor_of(self.table))
