"""The onnx dialects: ONNX nodes as operations derived from the schemas of the `onnx` package.

`register_onnx(ctx)` makes them known to a context. Passes use `NodeOp` (any node: `op_type`, `inputs`,
`attribute(name)`), `SchemaOp` and `CustomOp`, and build ops with `make_schema_op`.
"""

from __future__ import annotations

from xdsl.context import Context
from xdsl.ir import Dialect, Operation

from vcc.dialects.onnx.node_proto import to_node_proto
from vcc.dialects.onnx.operation import (
    DIALECT_OF_DOMAIN,
    CustomOp,
    NodeOp,
    SchemaOp,
    all_op_classes,
    find_schema,
    make_custom_op,
    make_schema_op,
    op_class,
)
from vcc.dialects.onnx.structure import YieldOp
from vcc.dialects.onnx.types import (
    ONNX_TYPES,
    UNKNOWN,
    MapType,
    OptionalType,
    SequenceType,
    SparseTensorType,
    StringType,
    UnknownType,
    describe,
    is_static,
    type_from_proto,
    type_to_proto,
)

__all__ = [
    "UNKNOWN",
    "CustomOp",
    "MapType",
    "NodeOp",
    "OptionalType",
    "SchemaOp",
    "SequenceType",
    "SparseTensorType",
    "StringType",
    "UnknownType",
    "YieldOp",
    "describe",
    "find_schema",
    "is_static",
    "make_custom_op",
    "make_schema_op",
    "op_class",
    "register_onnx",
    "to_node_proto",
    "type_from_proto",
    "type_to_proto",
]


def _load(domain: str) -> Dialect:
    own: list[type[Operation]] = [] if domain else [CustomOp, YieldOp]
    return Dialect(DIALECT_OF_DOMAIN[domain], own + all_op_classes(domain), [] if domain else list(ONNX_TYPES))


def register_onnx(ctx: Context) -> None:
    """Register the dialect of every ONNX domain that has schemas; each is loaded when text first needs it."""
    for domain, name in DIALECT_OF_DOMAIN.items():
        ctx.register_dialect(name, lambda domain=domain: _load(domain))
