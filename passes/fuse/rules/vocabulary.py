"""The operations that rules speak of: their names, operands and attributes as Python values.

Elementwise and reducing operations are named by their function: `add`, `erf`, `lt`, `reduce_max`. `unary`,
`binary` and `reduce` are any of their kind, with the function as the attribute `fn`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeAlias, cast

from xdsl.dialects.builtin import DenseArrayBase, FloatAttr, IntegerAttr, IntegerType, TensorType, i1
from xdsl.dialects.utils import EnumAttribute
from xdsl.ir import Attribute, Operation, SSAValue

from vcc.dialects import graph
from vcc.dialects.graph import BinaryFn, CompareFn, ReduceFn, UnaryFn, ints, shape_of, tensor_of
from vcc.dialects.weights import element_type_of, numpy_dtype_of

Attributes: TypeAlias = Mapping[str, Any]
Operands: TypeAlias = Sequence["SSAValue | None"]
#: What an index of rules is by: the operation's name and its function ("" for any).
Key: TypeAlias = tuple[str, str]

_COMMUTATIVE = frozenset({"add", "mul", "min", "max", "and", "or", "xor", "eq", "ne"})


@dataclass(frozen=True, eq=False)
class RuleOp:
    """An operation as rules see it. `optional` operands at the end may be absent; `variadic` takes any number."""

    name: str
    type: type[Operation]
    fn: str
    arity: int
    make: Callable[[Operands, Attributes], Operation]
    attributes: tuple[str, ...] = ()
    optional: int = 0
    variadic: bool = False

    @property
    def key(self) -> Key:
        """The key under which operations of this kind are found."""
        return self.type.name, self.fn

    def describes(self, op: Operation) -> bool:
        """Whether an operation is of this kind; rules know of no convolution inside a border other than of zeros."""
        return (
            type(op) is self.type
            and "border" not in op.properties
            and (not self.fn or cast("Any", op.properties["fn"]).data == self.fn)
        )

    @property
    def commutative(self) -> bool:
        """Whether the two operands may be exchanged."""
        return self.name in _COMMUTATIVE


def keys_of(op: Operation) -> tuple[Key, ...]:
    """The keys of an operation: by its function, and by its kind alone."""
    fn = op.properties.get("fn")
    plain = (op.name, "")
    return (plain,) if not isinstance(fn, EnumAttribute) else ((op.name, str(fn.data)), plain)


def read_attribute(op: Operation, name: str) -> Any:
    """An attribute of an operation as a Python value; `shape` is the result's, `to` its dtype's name."""
    if name == "shape":
        return shape_of(op.results[0])
    if name == "to":
        return numpy_dtype_of(tensor_of(op.results[0]).element_type).name
    match op.properties.get(name):
        case DenseArrayBase(elt_type=IntegerType()) as array:
            return ints(cast("DenseArrayBase[IntegerType]", array))
        case IntegerAttr(type=type, value=value):
            return bool(value.data) if type == i1 else value.data
        case FloatAttr(value=value):
            return value.data
        case EnumAttribute(data=data):
            return str(data)
        case other:
            raise KeyError(f"{op.name} has no attribute {name} that rules can read ({other})")


def _needed(values: Operands) -> list[SSAValue]:
    present = [value for value in values if value is not None]
    assert len(present) == len(values)
    return present


def _unary(fn: str) -> RuleOp:
    return RuleOp(fn, graph.UnaryOp, fn, 1, lambda x, _: graph.UnaryOp(fn, *_needed(x)))


def _binary(fn: str) -> RuleOp:
    return RuleOp(fn, graph.BinaryOp, fn, 2, lambda x, _: graph.BinaryOp(fn, *_needed(x)))


def _select(x: Operands, _: Attributes) -> Operation:
    condition, a, b = _needed(x)
    return graph.SelectOp(condition, a, b)


def _compare(fn: str) -> RuleOp:
    return RuleOp(fn, graph.CompareOp, fn, 2, lambda x, _: graph.CompareOp(fn, *_needed(x)))


def _reduce(fn: str) -> RuleOp:
    def make(x: Operands, a: Attributes) -> Operation:
        return graph.ReduceOp(fn, _needed(x)[0], a["axes"], keepdims=a.get("keepdims", True))

    return RuleOp(f"reduce_{fn}", graph.ReduceOp, fn, 1, make, ("axes", "keepdims"))


def _any_reduce(x: Operands, a: Attributes) -> Operation:
    return graph.ReduceOp(a["fn"], _needed(x)[0], a["axes"], keepdims=a.get("keepdims", True))


def _cast(x: Operands, a: Attributes) -> Operation:
    return graph.CastOp(_needed(x)[0], element_type_of(a["to"]))


def _pad(x: Operands, a: Attributes) -> Operation:
    (value,) = _needed(x)
    return graph.PadOp(value, a["low"], a["high"], number_attribute(a["value"], tensor_of(value)))


def number_attribute(number: float, like: TensorType[Any]) -> Attribute:
    """A number as an attribute of a tensor's dtype."""
    element = like.element_type
    is_integer = numpy_dtype_of(element).kind in "iub"
    return IntegerAttr(int(number), element) if is_integer else FloatAttr(float(number), element)


def _conv(x: Operands, a: Attributes) -> Operation:
    data, weights = _needed(x[:2])
    bias = x[2] if len(x) > 2 else None
    return graph.ConvOp(
        data, weights, bias, pads=a["pads"], strides=a["strides"], dilations=a["dilations"], group=a["group"]
    )


def _third(x: Operands) -> SSAValue | None:
    return x[2] if len(x) > 2 else None


def _rms_norm(x: Operands, a: Attributes) -> Operation:
    data, scale = _needed(x)
    return graph.RmsNormOp(data, scale, axis=a["axis"], epsilon=a["epsilon"])


def _attention(x: Operands, a: Attributes) -> Operation:
    q, k, v = _needed(x[:3])
    return graph.AttentionOp(q, k, v, x[3] if len(x) > 3 else None, scale=a["scale"])


def _layer_norm(x: Operands, a: Attributes) -> Operation:
    data, scale = _needed(x[:2])
    return graph.LayerNormOp(data, scale, _third(x), axis=a["axis"], epsilon=a["epsilon"])


def _one(make: Callable[[SSAValue, Attributes], Operation]) -> Callable[[Operands, Attributes], Operation]:
    return lambda x, a: make(_needed(x)[0], a)


def _others() -> list[RuleOp]:
    return [
        RuleOp("unary", graph.UnaryOp, "", 1, _one(lambda x, a: graph.UnaryOp(a["fn"], x)), ("fn",)),
        RuleOp("binary", graph.BinaryOp, "", 2, lambda x, a: graph.BinaryOp(a["fn"], *_needed(x)), ("fn",)),
        RuleOp("reduce", graph.ReduceOp, "", 1, _any_reduce, ("fn", "axes", "keepdims")),
        RuleOp("select", graph.SelectOp, "", 3, _select),
        RuleOp("cast", graph.CastOp, "", 1, _cast, ("to",)),
        RuleOp("matmul", graph.MatmulOp, "", 2, lambda x, _: graph.MatmulOp(*_needed(x))),
        RuleOp("conv", graph.ConvOp, "", 3, _conv, ("pads", "strides", "dilations", "group"), optional=1),
        RuleOp("softmax", graph.SoftmaxOp, "", 1, _one(lambda x, a: graph.SoftmaxOp(x, a["axis"])), ("axis",)),
        RuleOp("layer_norm", graph.LayerNormOp, "", 3, _layer_norm, ("axis", "epsilon"), optional=1),
        RuleOp("rms_norm", graph.RmsNormOp, "", 2, _rms_norm, ("axis", "epsilon")),
        RuleOp(
            "gelu", graph.GeluOp, "", 1, _one(lambda x, a: graph.GeluOp(x, a.get("approximate", "none"))),
            ("approximate",),
        ),
        RuleOp("attention", graph.AttentionOp, "", 4, _attention, ("scale",), optional=1),
        RuleOp("transpose", graph.TransposeOp, "", 1, _one(lambda x, a: graph.TransposeOp(x, a["perm"])), ("perm",)),
        RuleOp("reshape", graph.ReshapeOp, "", 1, _one(lambda x, a: graph.ReshapeOp(x, a["shape"])), ("shape",)),
        RuleOp("expand", graph.ExpandOp, "", 1, _one(lambda x, a: graph.ExpandOp(x, a["shape"])), ("shape",)),
        RuleOp(
            "slice", graph.SliceOp, "", 1,
            _one(lambda x, a: graph.SliceOp(x, a["starts"], a["sizes"], a["steps"])), ("starts", "sizes", "steps"),
        ),
        RuleOp("pad", graph.PadOp, "", 1, _pad, ("low", "high", "value")),
        RuleOp(
            "concat", graph.ConcatOp, "", 0, lambda x, a: graph.ConcatOp(_needed(x), a["axis"]), ("axis",),
            variadic=True,
        ),
    ]  # fmt: skip


@cache
def vocabulary() -> Mapping[str, RuleOp]:
    """Every operation of rules, by name."""
    ops = [_unary(str(fn)) for fn in UnaryFn] + [_binary(str(fn)) for fn in BinaryFn]
    ops += [_compare(str(fn)) for fn in CompareFn] + [_reduce(str(fn)) for fn in ReduceFn] + _others()
    return {op.name: op for op in ops}
