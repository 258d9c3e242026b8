"""docs/operators.md, made from the lowerings' constraints: `python -m vcc.tools.operator_docs > docs/operators.md`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from types import ModuleType

import onnx.defs

from vcc.compiler.frontend.runtime import known_operators
from vcc.passes.graph.lower import FAMILIES, Lowering, all_lowerings, describe
from vcc.passes.graph.lower.host import host_runs

HEAD = """\
# ONNX operators

This page is generated from the compiler's own constraints: `python -m vcc.tools.operator_docs > docs/operators.md`.

An operator becomes kernels where all that stands under "needs" holds, beside this: tensors are not empty, and of a
dtype that the machine computes with. Otherwise it is called on the host where the `onnx` package's reference
implementation has it and computes the version that the model's opset names, and `vcc` says so with the reason;
`--host-ops=error` refuses such models. `vcc check MODEL` tells all obstacles of a model. An `If` takes one branch if
its condition is known, or computes both if they can be computed (`merge-branches`); `Loop` and `Scan` are not supported
yet.
"""

#: What other passes than lower-onnx do away with.
_ELSEWHERE = frozenset({"Constant", "Identity", "If"})


def render() -> str:
    """The page."""
    made: dict[str, list[Lowering]] = defaultdict(list)
    for each in all_lowerings():
        made[each.function.__module__].append(each)
    parts = [HEAD, *("\n".join(_family(family, made[family.__name__])) for family in FAMILIES)]
    known = {(each.domain, each.op_type) for each in all_lowerings()}
    parts.append("\n".join(_runtime()))
    parts.append("\n".join(_others(known)))
    return "\n".join(parts)


def _family(family: ModuleType, lowerings: list[Lowering]) -> Iterator[str]:
    title = (family.__doc__ or "").strip().splitlines()[0]
    yield f"## {family.__name__.rpartition('.')[2].replace('_', ' ').capitalize()}"
    yield ""
    yield title
    yield ""
    yield "| operator | opset | needs |"
    yield "|---|---|---|"
    for each in lowerings:
        name = f"{each.domain}.{each.op_type}" if each.domain else each.op_type
        until = "" if each.until is None else f" to {each.until}"
        needs = "; ".join(_sentence(describe(constraint)) for constraint in each.constraints)
        yield f"| {name} | {each.since}{until}{'' if each.until else ' on'} | {needs} |"
    yield ""


def _runtime() -> Iterator[str]:
    yield "## Operators of ONNX Runtime"
    yield ""
    yield "Models that ONNX Runtime or its tools have optimised or quantised have operators of its own domain,"
    yield "com.microsoft. These become functions of standard operators when they are imported; forms that have none"
    yield "are refused with the reason. (DynamicQuantizeLSTM, which no function stands for, is among those above.)"
    yield ""
    yield ", ".join(dict.fromkeys(name for _, name in known_operators())) + "."
    yield ""


def _sentence(text: str) -> str:
    return text[:1].lower() + text[1:]


def _others(known: set[tuple[str, str]]) -> Iterator[str]:
    newest: dict[str, int] = {}
    for schema in onnx.defs.get_all_schemas():
        if schema.domain == "" and not schema.deprecated and ("", schema.name) not in known | _handled():
            newest[schema.name] = max(newest.get(schema.name, 0), schema.since_version)
    host = sorted(name for name, version in newest.items() if host_runs("", name, version) and _takes_tensors(name))
    none = sorted(newest.keys() - set(host))
    yield "## On the host"
    yield ""
    yield ", ".join(host) + "."
    yield ""
    yield "## Not supported"
    yield ""
    yield ", ".join(none) + "."
    yield ""


def _takes_tensors(name: str) -> bool:
    """Whether an operator has no subgraph, and can have tensors of numbers for all operands and results."""
    schema = onnx.defs.get_schema(name)
    if any(each.type == onnx.defs.OpSchema.AttrType.GRAPH for each in schema.attributes.values()):
        return False
    formals = (*schema.inputs, *schema.outputs)
    return all(any(t.startswith("tensor(") and "string" not in t for t in formal.types) for formal in formals)


def _handled() -> set[tuple[str, str]]:
    return {("", name) for name in _ELSEWHERE}


if __name__ == "__main__":
    print(render(), end="")
