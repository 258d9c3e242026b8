"""The instruction reference, docs/isa/reference.md, written from the instruction table.

`python -m vcc.runtime.isa.manual > docs/isa/reference.md` writes it; a test holds the file to the table.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from vcc.runtime.isa.disassembler import instruction
from vcc.runtime.isa.expr import SCALAR_FNS, Poly
from vcc.runtime.isa.kernel import AttrValue, Dim, Instr, Memory, Operand, Pipe, Role, View
from vcc.runtime.isa.table import (
    ANY,
    FLOATS,
    INTEGERS,
    NUMBERS,
    TABLE,
    AttrSpec,
    Cost,
    Numeric,
    Op,
    OperandSpec,
    Same,
    accumulator_dtype,
)

_DTYPE_SETS: dict[tuple[str, ...], str] = {
    ANY: "any",
    NUMBERS: "any but bool",
    FLOATS: "any float",
    INTEGERS: "any integer",
}
_PIPES = {
    Pipe.IN: "from global memory",
    Pipe.OUT: "to global memory",
    Pipe.MOV: "between on-chip memories",
    Pipe.M: "the matrix unit",
    Pipe.V: "the vector unit",
}
_COSTS = {
    Cost.BYTES: "bytes moved",
    Cost.ELEMENTS: "elements of the domain",
    Cost.TRANSCENDENTAL: "elements of the domain, several passes each",
    Cost.MACS: "multiply-adds of the domain",
    Cost.SORT: "elements of the domain, as often as the scanned size can be halved",
    Cost.SYNC: "none",
}
_ROLES = {
    Role.PARALLEL: "parallel",
    Role.M: "m (rows of a)",
    Role.N: "n (columns of b)",
    Role.K: "k (summed)",
    Role.REDUCE: "reduce (joined)",
    Role.SCAN: "scan (in order)",
}
#: The meaning of each scalar instruction on operands a and b.
SCALAR_MEANINGS = {
    "add": "a + b", "mul": "a * b", "min": "the smaller", "max": "the larger",
    "div": "a / b, rounded towards minus infinity; traps if b is 0",
    "mod": "a - b * div(a, b); traps if b is 0",
    "eq": "1 if a = b, else 0", "ne": "1 if a differs from b, else 0", "lt": "1 if a < b, else 0",
    "le": "1 if a <= b, else 0", "gt": "1 if a > b, else 0", "ge": "1 if a >= b, else 0",
    "and": "1 if neither is 0, else 0", "or": "1 if not both are 0, else 0",
}  # fmt: skip
_SIZES = {Role.PARALLEL: ("i", 8), Role.M: ("m", 64), Role.N: ("n", 32), Role.K: ("k", 16), Role.REDUCE: ("r", 64),
          Role.SCAN: ("s", 64)}  # fmt: skip
_INTRODUCTION = """\
# Instruction reference

<!-- Written by `python -m vcc.runtime.isa.manual` from runtime/isa/table.py; do not edit. -->

Every instruction, by the pipe that executes it. [The introduction](README.md) says what domains, views and events are,
[assembly.md](assembly.md) how programs are written.

Operands marked T share one dtype. An operand that may be *a scalar* takes a number or `scalar(expression)` in place of
a view; it is converted to T. "Exact" instructions give the same bits on every engine.
"""


def reference() -> str:
    """The whole page, in Markdown."""
    parts = [_INTRODUCTION, *_overview(), *_scalars(), *_synchronisation()]
    for pipe, title in _PIPES.items():
        parts.append(f"## {pipe}: {title}\n")
        parts += [_section(op) for op in TABLE if op.pipe is pipe]
    return "\n".join(parts)


def example(op: Op) -> Instr:
    """An instruction of a row, on a domain with one dimension of each role it may have."""
    domain = tuple(_dim(role) for role in op.roles)
    operands: dict[str, Operand] = {
        spec.role: _view(spec, domain, op) for spec in op.operands if not spec.optional or spec.role == "bias"
    }
    attrs: dict[str, AttrValue] = {"limit": Poly.of("n"), "mode": "clamp"} if op.indexed else {}
    if any(spec.name == "zero" for spec in op.attrs):
        attrs["zero"] = Poly.of("first")
    if op.name == "drain":
        attrs["act"] = "relu"
    return Instr(op.name, domain, operands, attrs)


def _dim(role: Role) -> Dim:
    name, size = _SIZES[role]
    return Dim(name, Poly.of(size), size, role)


def _view(spec: OperandSpec, domain: tuple[Dim, ...], op: Op) -> View:
    """A dense view over the dimensions the operand has; stride 0 over the others."""
    missing = {"a": Role.N, "b": Role.M}.get(spec.role) if op.pipe is Pipe.M else None
    if spec.role == "bias":
        return View("bias", (Poly.of(1),) * len(domain))
    strides: list[Poly] = []
    step = 1
    for dim in reversed(domain):
        absent = dim.role is missing or (spec.out and dim.role.is_reduction)
        strides.append(Poly.of(0 if absent else step))
        step *= 1 if absent else dim.max
    return View(spec.role, tuple(reversed(strides)))


def _overview() -> Iterator[str]:
    rows = [
        (f"[`{op.name}`](#{_anchor(op)})", f"{op.code:#04x}", op.pipe, _numeric(op), op.doc)
        for op in sorted(TABLE, key=lambda op: op.code)
    ]
    yield _table(("instruction", "code", "pipe", "exactness", "meaning"), rows)


def _scalars() -> Iterator[str]:
    yield "## S: scalar instructions\n"
    yield (
        "`%register = fn expression, expression` computes on 64-bit integers. Expressions are sums of products of\n"
        "registers and constants, and cost nothing by themselves.\n"
    )
    rows = [(f"`{fn}`", SCALAR_MEANINGS[fn]) for fn in SCALAR_FNS]
    yield _table(("fn", "result"), [*rows, ("`sload param[base]`", "the integer at that element of global memory")])


def _synchronisation() -> Iterator[str]:
    yield "## All pipes: synchronisation\n"
    rows = [
        ("`signal event[slot]`", "the event's source pipe", "gives the slot a token"),
        ("`wait event[slot]`", "the event's target pipe", "takes a token of the slot, once there is one"),
        ("`barrier`", "all", "no pipe goes on before all have come here"),
    ]
    yield _table(("statement", "executed by", "meaning"), rows)


def _section(op: Op) -> str:
    lines = [f"### {op.name}\n", f"{op.doc}\n", "```", instruction(example(op)), "```\n"]
    rows = [(f"`{spec.role}`", _place(spec), _dtypes(spec), _usage(spec)) for spec in op.operands]
    lines.append(_table(("operand", "memory", "dtype", ""), rows))
    if op.attrs:
        lines.append(_table(("attribute", "value", "default"), [_attribute(spec) for spec in op.attrs]))
    facts = [f"Opcode {op.code:#04x}", f"dimensions: {', '.join(_ROLES[role] for role in op.roles)}"]
    if op.intervals:
        facts.append("dimensions may have valid intervals")
    if op.indexed:
        facts.append(f"`index` moves the addresses of `{op.indexed}`")
    facts += [f"exactness: {_numeric(op)}", f"cost: {_COSTS[op.cost]}"]
    lines.append(f"{'; '.join(facts)}.\n")
    if op.name == "mmad":
        lines.append(_products())
    return "\n".join(lines)


def _products() -> str:
    """Which dtypes `mmad` multiplies, and what it accumulates them in."""
    rows = [(a, b, acc) for a in NUMBERS for b in NUMBERS if (acc := accumulator_dtype(a, b))]
    return _table(("a", "b", "dst"), rows)


def _place(spec: OperandSpec) -> str:
    on_chip = [memory for memory in Memory if memory is not Memory.GM]
    return "any on-chip" if list(spec.memories) == on_chip else ", ".join(spec.memories)


def _dtypes(spec: OperandSpec) -> str:
    names = _DTYPE_SETS.get(spec.dtypes, ", ".join(spec.dtypes))
    tie = {Same.T: "T: ", Same.FREE: "", Same.ACC: "of the sum: "}[spec.same]
    return tie + names


def _usage(spec: OperandSpec) -> str:
    words = ["written" if spec.out else "", "may be a scalar" if spec.scalar else ""]
    return ", ".join(filter(None, [*words, f"optional: `{spec.role}=`" if spec.optional else ""]))


def _attribute(spec: AttrSpec) -> tuple[str, str, str]:
    kinds = {"poly": "an expression", "float": "a number", "name": ", ".join(spec.choices)}
    return f"`{spec.name}`", kinds[spec.kind], str(spec.default)


def _numeric(op: Op) -> str:
    if op.numeric is Numeric.ULP:
        return f"within {op.ulp} ulp"
    return "exact" if op.numeric is Numeric.EXACT else "sums in any order"


def _anchor(op: Op) -> str:
    """The fragment that Markdown renderers give the section's heading."""
    return op.name.replace(".", "")


def _table(heads: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [heads, tuple("---" for _ in heads), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


if __name__ == "__main__":
    print(reference(), end="")
