"""Constants: digests in the IR, arrays in a store.

A constant's bytes never live in IR text. `weights.constant` holds either the digest of an array in the context's
`WeightStore`, or, for arrays of at most `INLINE_LIMIT` elements, the values themselves as a `dense` attribute, so
that small constants (axes, shapes, scalars) can be read in a dump and written in a test.

Integer types: `i8`..`i64` are signed (signless in MLIR's words), `ui8`..`ui64` unsigned, `i1` is bool.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import ml_dtypes
import numpy as np
from xdsl.context import Context
from xdsl.dialect_interfaces import DialectInterface
from xdsl.dialects import builtin
from xdsl.dialects.builtin import (
    BytesAttr,
    DenseIntOrFPElementsAttr,
    IntegerType,
    LocationAttr,
    Signedness,
    StringAttr,
    TensorType,
    i1,
)
from xdsl.ir import Attribute, Dialect, Operation, OpResult, ParametrizedAttribute, SSAValue
from xdsl.irdl import (
    IRDLOperation,
    irdl_attr_definition,
    irdl_op_definition,
    prop_def,
    result_def,
    traits_def,
)
from xdsl.parser import Parser
from xdsl.printer import Printer
from xdsl.traits import ConstantLike, Pure
from xdsl.utils.exceptions import VerifyException

from vcc.runtime.diagnostics import error

#: Arrays of at most this many elements are written into the IR text.
INLINE_LIMIT = 16

_ELEMENT_TYPES: dict[np.dtype[Any], Attribute] = {
    np.dtype(np.bool_): i1,
    np.dtype(np.int8): IntegerType(8),
    np.dtype(np.int16): IntegerType(16),
    np.dtype(np.int32): IntegerType(32),
    np.dtype(np.int64): IntegerType(64),
    np.dtype(np.uint8): IntegerType(8, Signedness.UNSIGNED),
    np.dtype(np.uint16): IntegerType(16, Signedness.UNSIGNED),
    np.dtype(np.uint32): IntegerType(32, Signedness.UNSIGNED),
    np.dtype(np.uint64): IntegerType(64, Signedness.UNSIGNED),
    np.dtype(np.float16): builtin.f16,
    np.dtype(np.float32): builtin.f32,
    np.dtype(np.float64): builtin.f64,
    np.dtype(ml_dtypes.bfloat16): builtin.bf16,
}
#: Their bytes in a `dense` attribute are not numpy's, so they are never written inline.
_PACKED_TYPES: dict[np.dtype[Any], Attribute] = {
    np.dtype(ml_dtypes.int4): IntegerType(4),
    np.dtype(ml_dtypes.uint4): IntegerType(4, Signedness.UNSIGNED),
    np.dtype(ml_dtypes.int2): IntegerType(2),
    np.dtype(ml_dtypes.uint2): IntegerType(2, Signedness.UNSIGNED),
    np.dtype(ml_dtypes.float8_e4m3fn): builtin.Float8E4M3FNType(),
    np.dtype(ml_dtypes.float8_e4m3fnuz): builtin.Float8E4M3FNUZType(),
    np.dtype(ml_dtypes.float8_e5m2): builtin.Float8E5M2Type(),
    np.dtype(ml_dtypes.float8_e5m2fnuz): builtin.Float8E5M2FNUZType(),
    np.dtype(ml_dtypes.float8_e8m0fnu): builtin.Float8E8M0FNUType(),
    np.dtype(ml_dtypes.float6_e2m3fn): builtin.Float6E2M3FNType(),
    np.dtype(ml_dtypes.float6_e3m2fn): builtin.Float6E3M2FNType(),
    np.dtype(ml_dtypes.float4_e2m1fn): builtin.Float4E2M1FNType(),
}
_ALL_TYPES = _ELEMENT_TYPES | _PACKED_TYPES
_NUMPY_DTYPES: dict[Attribute, np.dtype[Any]] = {element: dtype for dtype, element in _ALL_TYPES.items()}


def element_type_of(dtype: Any) -> Attribute:
    """The IR element type of a numpy dtype; E0121 for one that has none (strings, complex numbers, objects)."""
    dtype = np.dtype(dtype)
    if (element := _ALL_TYPES.get(dtype)) is None:
        raise error("E0121", f"tensors of dtype {dtype} are not supported")
    return element


def numpy_dtype_of(element: Attribute) -> np.dtype[Any]:
    """The numpy dtype of an IR element type; E0121 for one that has none."""
    if (dtype := _NUMPY_DTYPES.get(element)) is None:
        raise error("E0121", f"tensors of element type {element} are not supported")
    return dtype


def _digest(array: np.ndarray) -> str:
    digest = hashlib.sha256(f"{array.dtype.name}{list(array.shape)}".encode())
    digest.update(array.reshape(-1).view(np.uint8).data)
    return digest.hexdigest()


@dataclass
class WeightStore(DialectInterface):
    """The arrays of all constants of one context, by digest; arrays may be memory-mapped and are read-only."""

    blobs: dict[str, np.ndarray] = field(default_factory=dict[str, np.ndarray])

    def add(self, array: np.ndarray) -> str:
        """Keep `array` (not a copy of it where it is contiguous) and return its digest; equal arrays merge."""
        if not array.flags.c_contiguous:
            array = array.copy(order="C")
        digest = _digest(array)
        if digest not in self.blobs:
            array = array.view()
            array.flags.writeable = False
            self.blobs[digest] = array
        return digest

    def get(self, digest: str) -> np.ndarray:
        """The read-only array of `digest`; E0107 when there is none."""
        if (array := self.blobs.get(digest)) is None:
            raise error(
                "E0107",
                f"the IR refers to a weight that is not there (digest {digest[:16]})",
                help="load the .safetensors file that was written beside the IR",
            )
        return array


@irdl_attr_definition
class WeightAttr(ParametrizedAttribute):
    """A reference to an array in the `WeightStore`: `#weights.blob<"digest">`."""

    name = "weights.blob"

    digest: StringAttr


@irdl_op_definition
class ConstantOp(IRDLOperation):
    """A constant tensor, by digest or inline: `weights.constant dense<[1, 2]> : tensor<2xi64>`."""

    name = "weights.constant"

    value = prop_def(WeightAttr | DenseIntOrFPElementsAttr)
    result = result_def(TensorType)

    traits = traits_def(Pure(), ConstantLike())

    def __init__(
        self,
        value: WeightAttr | DenseIntOrFPElementsAttr,
        result_type: TensorType,
        location: LocationAttr | None = None,
    ):
        super().__init__(properties={"value": value}, result_types=[result_type])
        if location is not None:
            self.location = location

    def verify_(self) -> None:
        type = self.result.type
        assert isinstance(type, TensorType)
        if not type.has_static_shape():
            raise VerifyException(f"a constant needs a static shape, got {type}")
        if type.element_type not in _NUMPY_DTYPES:
            raise VerifyException(f"a constant cannot have element type {type.element_type}")
        if isinstance(self.value, DenseIntOrFPElementsAttr) and self.value.get_type() != type:
            raise VerifyException(f"the value has type {self.value.get_type()} but the result {type}")

    def print(self, printer: Printer) -> None:
        printer.print_op_attributes(self.attributes)
        printer.print_string(" ")
        printer.print_attribute(self.value)
        if isinstance(self.value, WeightAttr):
            printer.print_string(" : ")
            printer.print_attribute(self.result.type)

    @classmethod
    def parse(cls, parser: Parser) -> "ConstantOp":
        attributes = parser.parse_optional_attr_dict()
        value = parser.parse_attribute()
        if isinstance(value, DenseIntOrFPElementsAttr):
            type = value.get_type()
        elif isinstance(value, WeightAttr):
            parser.parse_punctuation(":")
            type = parser.parse_type()
        else:
            parser.raise_error(f"expected a dense or a weights.blob attribute, got {value}")
        if not isinstance(type, TensorType):
            parser.raise_error(f"expected a ranked tensor type, got {type}")
        op = cls(value, type)
        op.attributes |= attributes
        return op


def make_weights_dialect(store: WeightStore) -> Dialect:
    """The dialect of one context: `ctx.register_dialect("weights", lambda: make_weights_dialect(store))`."""
    return Dialect("weights", [ConstantOp], [WeightAttr], [store])


def register_weights(ctx: Context, store: WeightStore | None = None) -> WeightStore:
    """Register the dialect in `ctx` with `store` (a new one by default), and return the store."""
    kept = WeightStore() if store is None else store
    factory: Callable[[], Dialect] = lambda: make_weights_dialect(kept)  # noqa: E731
    ctx.register_dialect("weights", factory)
    return kept


def store_of(ctx: Context) -> WeightStore:
    """The store of the context's weights dialect."""
    store = ctx.get_dialect("weights").get_interface(WeightStore)
    assert store is not None, "the weights dialect is registered without a store"
    return store


def dense_array(value: DenseIntOrFPElementsAttr) -> np.ndarray:
    """The values of a dense attribute as a read-only array."""
    dtype = numpy_dtype_of(value.get_element_type())
    if dtype == np.bool_:
        # xDSL writes `true` as the signless i1 -1.
        array = np.frombuffer(value.data.data, np.int8) != 0
    elif dtype in _PACKED_TYPES:
        array = np.array(value.get_values()).astype(dtype)
    else:
        array = np.frombuffer(value.data.data, dtype)
    return array.reshape(value.get_shape())


def attribute_array(value: Attribute, ctx: Context) -> np.ndarray:
    """The array of a `WeightAttr` or dense attribute; E0107 when the store does not have it."""
    if isinstance(value, WeightAttr):
        return store_of(ctx).get(value.digest.data)
    if isinstance(value, DenseIntOrFPElementsAttr):
        return dense_array(value)
    raise error("E0107", f"{value} is not a constant tensor")


def constant_array(op_or_value: Operation | SSAValue, ctx: Context) -> np.ndarray | None:
    """The read-only array of a constant (or of the op that makes a value); None if that is not a constant."""
    op = op_or_value.op if isinstance(op_or_value, OpResult) else op_or_value
    if not isinstance(op, ConstantOp):
        return None
    array = attribute_array(op.value, ctx)
    type = op.result.type
    assert isinstance(type, TensorType)
    if array.shape != type.get_shape() or array.dtype != numpy_dtype_of(type.element_type):
        stored = f"{array.dtype.name}{list(array.shape)}"
        raise error("E0107", f"a constant has type {type} but the weight it refers to is {stored}")
    return array


def _is_inline(array: np.ndarray) -> bool:
    if not 0 < array.size <= INLINE_LIMIT or array.dtype in _PACKED_TYPES:
        return False
    # xDSL prints an infinity or NaN inside `dense` as hexadecimal and reads that back as a number.
    return array.dtype.kind in "biu" or bool(np.isfinite(array.astype(np.float64)).all())


def tensor_attribute(array: np.ndarray, ctx: Context) -> WeightAttr | DenseIntOrFPElementsAttr:
    """An attribute that stands for `array`: its values when it is small, else its digest. E0121 for odd dtypes."""
    element = element_type_of(array.dtype)
    if not _is_inline(array):
        return WeightAttr(StringAttr(store_of(ctx).add(array)))
    type: Any = TensorType(element, array.shape)
    if element == i1:
        return DenseIntOrFPElementsAttr.from_list(type, [int(x) for x in array.reshape(-1)])
    return DenseIntOrFPElementsAttr(type, BytesAttr(array.tobytes()))


def make_constant(array: np.ndarray, ctx: Context, loc: LocationAttr | None = None) -> ConstantOp:
    """A `weights.constant` of `array`, put into the context's store unless it is small. E0121 for odd dtypes."""
    type = TensorType(element_type_of(array.dtype), array.shape)
    return ConstantOp(tensor_attribute(array, ctx), type, loc)
