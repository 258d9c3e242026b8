"""ONNX nodes as operations, whose classes are derived from the schemas in the `onnx` package.

`onnx.Conv.v11` is Conv as opset 11 defined it. The schema's attributes are the op's properties, GRAPH attributes its
regions in the order of their names, operands and results those of the node. Inputs that the node leaves out before
others are listed in the property `absent_inputs`; trailing ones are just not there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, ClassVar, cast

import onnx.defs
from onnx.defs import OpSchema
from typing_extensions import override
from xdsl.dialects.builtin import ArrayAttr, DenseArrayBase, DictionaryAttr, LocationAttr, StringAttr, i64
from xdsl.ir import Attribute, Operation, Region, SSAValue
from xdsl.irdl import traits_def
from xdsl.traits import (
    EffectInstance,
    MemoryEffect,
    MemoryEffectKind,
    Pure,
    RecursiveMemoryEffect,
)
from xdsl.utils.exceptions import VerifyException

from vcc.dialects.onnx.attributes import python_value

#: The dialect of each ONNX domain that has schemas.
DIALECT_OF_DOMAIN = {
    "": "onnx",
    "ai.onnx.ml": "onnx_ml",
    "ai.onnx.preview.training": "onnx_training",
    "ai.onnx.preview": "onnx_preview",
}

ABSENT_INPUTS = "absent_inputs"


class NonDeterministic(MemoryEffect):
    """The op may be dropped when unused, but two equal ones must not become one."""

    @classmethod
    @override
    def get_effects(cls, op: Operation) -> set[EffectInstance]:
        return {EffectInstance(MemoryEffectKind.ALLOC, result) for result in op.results}


class NodeOp(Operation):
    """An ONNX node: what schema-derived and custom operations have in common."""

    @property
    def domain(self) -> str:
        """The ONNX domain, '' for ai.onnx."""
        raise NotImplementedError

    @property
    def op_type(self) -> str:
        """The operator's name in ONNX."""
        raise NotImplementedError

    @property
    def opset(self) -> int:
        """An opset version in which the operator means what it means here."""
        raise NotImplementedError

    @property
    def node_attributes(self) -> Mapping[str, Attribute]:
        """The attributes the node sets, but for graphs."""
        raise NotImplementedError

    @property
    def graphs(self) -> dict[str, Region]:
        """The node's subgraphs by attribute name."""
        raise NotImplementedError

    @property
    def absent(self) -> frozenset[int]:
        """The positions of inputs that are left out before others."""
        absent = self.properties.get(ABSENT_INPUTS)
        return frozenset() if absent is None else frozenset(python_value(absent))

    @property
    def inputs(self) -> tuple[SSAValue | None, ...]:
        """The inputs by position as in ONNX; None where one is left out before others."""
        if not (absent := self.absent):
            return tuple(self.operands)
        operands = iter(self.operands)
        return tuple(None if i in absent else next(operands) for i in range(len(self.operands) + len(absent)))

    def input(self, position: int) -> SSAValue | None:
        """The input at a position; None where the node leaves it out."""
        inputs = self.inputs
        return inputs[position] if position < len(inputs) else None

    def attribute(self, name: str, default: Any = None) -> Any:
        """The Python value of an attribute: int, float, str, lists of them; tensors stay attributes.

        Where the node does not set it: the schema's default, else `default`.
        """
        value = self.node_attributes.get(name)
        return default if value is None else python_value(value)


class SchemaOp(NodeOp):
    """A node of an operator that the `onnx` package knows; one subclass per schema, made by `op_class`."""

    name = "onnx.schema_op"
    schema: ClassVar[OpSchema]
    #: The GRAPH attributes, in the order of the op's regions.
    graph_names: ClassVar[tuple[str, ...]]

    @property
    @override
    def domain(self) -> str:
        return self.schema.domain

    @property
    @override
    def op_type(self) -> str:
        return self.schema.name

    @property
    @override
    def opset(self) -> int:
        return self.schema.since_version

    @property
    @override
    def node_attributes(self) -> Mapping[str, Attribute]:
        return {name: value for name, value in self.properties.items() if name != ABSENT_INPUTS}

    @property
    @override
    def graphs(self) -> dict[str, Region]:
        return {name: region for name, region in zip(self.graph_names, self.regions, strict=False) if region.blocks}

    @override
    def attribute(self, name: str, default: Any = None) -> Any:
        if (value := self.properties.get(name)) is not None:
            return python_value(value)
        schema = self.schema.attributes.get(name)
        if schema is None or not schema.default_value.type:
            return default
        found = onnx.helper.get_attribute_value(schema.default_value)
        return _decoded(found)

    def verify_(self) -> None:
        from vcc.dialects.onnx.verify import verify_schema_op

        verify_schema_op(cast(Any, self))


def _decoded(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.decode()
    return [_decoded(each) for each in value] if isinstance(value, list) else value


class CustomOp(NodeOp):
    """A node of an operator without a schema, such as those of com.microsoft."""

    name = "onnx.custom"
    # Nothing is known about it, perhaps it is random: it may be dropped, not merged.
    traits = traits_def(NonDeterministic())

    def _string(self, name: str) -> str:
        value = self.properties.get(name)
        return value.data if isinstance(value, StringAttr) else ""

    @property
    @override
    def domain(self) -> str:
        return self._string("domain")

    @property
    @override
    def op_type(self) -> str:
        return self._string("op_type")

    @property
    @override
    def opset(self) -> int:
        value = self.properties.get("opset")
        return 1 if value is None else python_value(value)

    @property
    @override
    def node_attributes(self) -> Mapping[str, Attribute]:
        value = self.properties.get("attributes")
        return value.data if isinstance(value, DictionaryAttr) else {}

    @property
    @override
    def graphs(self) -> dict[str, Region]:
        names = self.properties.get("graphs")
        found = [name.data for name in names if isinstance(name, StringAttr)] if isinstance(names, ArrayAttr) else []
        return dict(zip(found, self.regions, strict=False))

    def verify_(self) -> None:
        for name in ("domain", "op_type"):
            if not isinstance(self.properties.get(name), StringAttr):
                raise VerifyException(f"onnx.custom needs the string property '{name}'")
        if not isinstance(self.properties.get("attributes"), DictionaryAttr | None):
            raise VerifyException("the property 'attributes' of onnx.custom must be a dictionary")
        if len(self.graphs) != len(self.regions):
            raise VerifyException("onnx.custom must name each of its regions once in the property 'graphs'")


@cache
def _schemas() -> dict[tuple[str, str, int], OpSchema]:
    return {(s.domain, s.name, s.since_version): s for s in onnx.defs.get_all_schemas_with_history()}


@cache
def find_schema(domain: str, op_type: str, opset: int) -> OpSchema | None:
    """The schema that `op_type` has in an opset, also if deprecated there; None if it is not known."""
    if not onnx.defs.has(op_type, opset, domain):
        return None
    return onnx.defs.get_schema(op_type, opset, domain)


@cache
def op_class(domain: str, op_type: str, since_version: int) -> type[SchemaOp]:
    """The operation class of a schema, made once; KeyError if no schema has exactly this version."""
    schema = _schemas()[domain, op_type, since_version]
    graphs = tuple(sorted(a.name for a in schema.attributes.values() if a.type == OpSchema.AttrType.GRAPH))
    deterministic = cast(Any, schema).node_determinism.name != "NonDeterministic"
    effect = RecursiveMemoryEffect() if graphs else Pure() if deterministic else NonDeterministic()
    body = {
        "name": f"{DIALECT_OF_DOMAIN[domain]}.{op_type}.v{since_version}",
        "schema": schema,
        "graph_names": graphs,
        "traits": traits_def(effect),
        "__doc__": schema.doc,
        "__module__": __name__,
    }
    return type(f"{op_type}V{since_version}", (SchemaOp,), body)


def all_op_classes(domain: str) -> list[type[Operation]]:
    """The classes of every operator version of a domain; some 650 for all domains, in about 20 ms."""
    return [op_class(*key) for key in _schemas() if key[0] == domain]


def _absent_property(inputs: Sequence[SSAValue | None]) -> dict[str, Attribute]:
    absent = [position for position, value in enumerate(inputs) if value is None]
    return {ABSENT_INPUTS: DenseArrayBase.from_list(i64, absent)} if absent else {}


def make_schema_op(
    schema: OpSchema,
    inputs: Sequence[SSAValue | None],
    result_types: Sequence[Attribute],
    attributes: Mapping[str, Attribute],
    graphs: Mapping[str, Region] | None = None,
    location: LocationAttr | None = None,
) -> SchemaOp:
    """An op of a schema; trailing None inputs are dropped, others are recorded. The op is not verified here."""
    inputs = trimmed(inputs)
    cls = op_class(schema.domain, schema.name, schema.since_version)
    graphs = graphs or {}
    return cls.create(
        operands=[value for value in inputs if value is not None],
        result_types=result_types,
        properties={**attributes, **_absent_property(inputs)},
        regions=[graphs.get(name) or Region() for name in cls.graph_names],
        location=location,
    )


def make_custom_op(
    name: tuple[str, str, int],
    inputs: Sequence[SSAValue | None],
    result_types: Sequence[Attribute],
    attributes: Mapping[str, Attribute],
    graphs: Mapping[str, Region] | None = None,
    location: LocationAttr | None = None,
) -> CustomOp:
    """An op without a schema; `name` is its domain, operator and opset version."""
    from xdsl.dialects.builtin import IntegerAttr

    inputs = trimmed(inputs)
    domain, op_type, opset = name
    properties: dict[str, Attribute] = {
        "domain": StringAttr(domain),
        "op_type": StringAttr(op_type),
        "opset": IntegerAttr(opset, i64),
        "attributes": DictionaryAttr(attributes),
        **_absent_property(inputs),
    }
    if graphs:
        properties["graphs"] = ArrayAttr([StringAttr(each) for each in graphs])
    return CustomOp.create(
        operands=[value for value in inputs if value is not None],
        result_types=result_types,
        properties=properties,
        regions=list(graphs.values()) if graphs else [],
        location=location,
    )


def trimmed(inputs: Sequence[SSAValue | None]) -> list[SSAValue | None]:
    """The inputs without the absent ones at the end."""
    kept = list(inputs)
    while kept and kept[-1] is None:
        kept.pop()
    return kept
