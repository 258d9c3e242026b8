"""The instruction table: the only definition of the instruction set.

Encoder, decoder, assembler, disassembler, verifier, interpreter, native engine, timing and manual read it. A row says
which pipe executes the instruction, which operands it takes and where they may lie, its attributes, its meaning in
numpy, how exactly an engine must follow that meaning, and how its cost is counted.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from vcc.runtime.isa import semantics as sem
from vcc.runtime.isa.expr import ONE, Poly
from vcc.runtime.isa.kernel import AttrValue, Memory, Pipe, Role

GM, L1, L0A, L0B, L0C, UB = Memory.GM, Memory.L1, Memory.L0A, Memory.L0B, Memory.L0C, Memory.UB
ON_CHIP = (L1, L0A, L0B, L0C, UB)
FLOATS = ("f32", "f64", "f16", "bf16")
INTEGERS = ("i8", "i16", "i32", "i64", "u8", "u16", "u32", "u64")
NUMBERS = FLOATS + INTEGERS
ANY = (*NUMBERS, "bool")
INDEXES = ("i32", "i64")
ACCUMULATORS = ("f32", "f64", "i32")


class Numeric(StrEnum):
    """How exactly an engine must reproduce the meaning."""

    EXACT = "exact"
    ULP = "ulp"  # within `Op.ulp` units in the last place
    FREE_ORDER = "free-order"  # sums in any order: error <= terms * epsilon * sum of magnitudes


class Cost(StrEnum):
    """What an instruction's cycles are proportional to (see machine/cost.py)."""

    BYTES = "bytes"
    ELEMENTS = "elements"
    TRANSCENDENTAL = "transcendental"
    MACS = "macs"
    SORT = "sort"  # elements times the depth of a merge tree over the scan dimension
    SYNC = "sync"


class Same(StrEnum):
    """How an operand's dtype depends on the others."""

    FREE = "free"
    T = "T"  # one dtype shared by all operands marked T
    ACC = "acc"  # determined by `Op.accumulator` from the inputs


@dataclass(frozen=True)
class OperandSpec:
    """One operand: its role name, whether it is written, where it may lie, its dtypes, whether it may be absent."""

    role: str
    memories: tuple[Memory, ...]
    dtypes: tuple[str, ...] = ANY
    same: Same = Same.T
    out: bool = False
    optional: bool = False
    scalar: bool = False  # an immediate or scalar may stand here


@dataclass(frozen=True)
class AttrSpec:
    """One attribute. `kind`: "poly" (registers allowed), "float" or "name" (one of `choices`)."""

    name: str
    kind: str
    default: AttrValue
    choices: tuple[str, ...] = ()


@dataclass(frozen=True)
class Op:
    """One row: an instruction. `roles` are those its dimensions may have; `cost` and `numeric` as in their enums."""

    name: str
    code: int
    pipe: Pipe
    operands: tuple[OperandSpec, ...]
    semantics: sem.Semantics
    doc: str
    attrs: tuple[AttrSpec, ...] = ()
    roles: tuple[Role, ...] = (Role.PARALLEL,)
    numeric: Numeric = Numeric.EXACT
    ulp: int = 0
    cost: Cost = Cost.ELEMENTS
    intervals: bool = False  # dimensions may have valid intervals
    indexed: str = ""  # the operand whose elements are addressed through the `index` operand

    @property
    def output(self) -> OperandSpec:
        return next(spec for spec in self.operands if spec.out)

    def operand(self, role: str) -> OperandSpec:
        """The operand of that role. Raises KeyError if the instruction has none."""
        for spec in self.operands:
            if spec.role == role:
                return spec
        raise KeyError(f"{self.name} has no operand {role}")


P, M, N, K, R, SC = Role.PARALLEL, Role.M, Role.N, Role.K, Role.REDUCE, Role.SCAN
_ZERO = AttrSpec("zero", "poly", ONE)
_FILL = AttrSpec("fill", "float", 0.0)
_MODE = AttrSpec("mode", "name", "trap", ("trap", "clamp", "fill"))
_LIMIT = AttrSpec("limit", "poly", Poly())
_PITCH = AttrSpec("pitch", "poly", ONE)


def _out(memories: tuple[Memory, ...], dtypes: tuple[str, ...] = ANY, same: Same = Same.T) -> OperandSpec:
    return OperandSpec("dst", memories, dtypes, same, out=True)


def _src(memories: tuple[Memory, ...], dtypes: tuple[str, ...] = ANY, same: Same = Same.T) -> OperandSpec:
    return OperandSpec("src", memories, dtypes, same)


def _ub(role: str, dtypes: tuple[str, ...], same: Same = Same.T) -> OperandSpec:
    return OperandSpec(role, (UB,), dtypes, same, scalar=True)


def _moves() -> list[Op]:
    index = OperandSpec("index", (UB,), INDEXES, Same.FREE)
    near = OperandSpec("index", (UB,), (*INDEXES, "u8"), Same.FREE)
    return [
        Op("load", 0x01, Pipe.IN, (_out((L1, L0A, L0B, UB)), _src((GM,))), sem.copy,
           "Copy from global memory; elements outside a valid interval become `fill` without being read.",
           (_FILL,), cost=Cost.BYTES, intervals=True),
        Op("store", 0x02, Pipe.OUT, (_out((GM,)), _src((UB, L1, L0C))), sem.copy,
           "Copy to global memory; elements outside a valid interval are not written.",
           cost=Cost.BYTES, intervals=True),
        Op("store.add", 0x03, Pipe.OUT, (_out((GM,), NUMBERS), _src((UB,), NUMBERS)), lambda a: a.out + a.inputs["src"],
           "Add to what global memory holds.", cost=Cost.BYTES, intervals=True),
        Op("load.gather", 0x04, Pipe.IN, (_out((L1, UB)), _src((GM,)), index), sem.copy,
           "Copy from global memory, the source address moved by `pitch` times an index in 0..limit.",
           (_FILL, _MODE, _LIMIT, _PITCH), cost=Cost.BYTES, indexed="src"),
        Op("store.scatter", 0x05, Pipe.OUT, (_out((GM,)), _src((UB,)), index), sem.copy,
           "Copy to global memory, the destination moved by `pitch` times an index in 0..limit; "
           "of equal addresses the last in domain order wins; mode fill skips.",
           (_MODE, _LIMIT, _PITCH), cost=Cost.BYTES, indexed="dst"),
        *(Op(f"store.scatter.{fn}", code, Pipe.OUT, (_out((GM,), NUMBERS), _src((UB,), NUMBERS), index),
             lambda a, fn=fn: sem.REDUCE[fn](a.out, a.inputs["src"]),
             f"{does} what global memory holds, the destination moved by `pitch` times an index in 0..limit; "
             "of equal addresses all count; mode fill skips.",
             (_MODE, _LIMIT, _PITCH), numeric=Numeric.EXACT if fn in ("max", "min") else Numeric.FREE_ORDER,
             cost=Cost.BYTES, indexed="dst")
          for fn, code, does in (("add", 0x08, "Add to"), ("mul", 0x09, "Multiply"),
                                 ("max", 0x0A, "Take the greater of this and"),
                                 ("min", 0x0B, "Take the smaller of this and"))),
        Op("mov", 0x06, Pipe.MOV, (_out(ON_CHIP), _src(ON_CHIP)), sem.copy,
           "Copy between on-chip memories; permuted and overlapping source strides transpose and unfold.",
           cost=Cost.BYTES),
        Op("gather", 0x07, Pipe.V, (_out((UB,)), _src((UB,)), near), sem.copy,
           "Copy within ub, the source moved by `pitch` times an index in 0..limit; bytes index a table of 256.",
           (_FILL, _MODE, _LIMIT, _PITCH), indexed="src"),
    ]  # fmt: skip


def _matrix() -> list[Op]:
    return [
        Op("mmad", 0x10, Pipe.M,
           (_out((L0C,), ACCUMULATORS, Same.ACC), OperandSpec("a", (L0A,), NUMBERS, Same.FREE),
            OperandSpec("b", (L0B,), NUMBERS, Same.FREE)),
           sem.mmad, "Matrix multiply and add: dst (+)= a x b over the m, n and k dimensions; `zero` starts a new sum.",
           (_ZERO,), (P, M, N, K), Numeric.FREE_ORDER, cost=Cost.MACS),
        Op("drain", 0x11, Pipe.V,
           (_out((UB, L1), ANY, Same.FREE), OperandSpec("src", (L0C,), ACCUMULATORS),
            OperandSpec("scale", (UB,), ACCUMULATORS, optional=True, scalar=True),
            OperandSpec("bias", (UB,), ACCUMULATORS, optional=True, scalar=True),
            OperandSpec("residual", (UB,), ACCUMULATORS, optional=True, scalar=True)),
           sem.drain, "Take an accumulator out: act(src * scale + bias + residual), cast to the destination's dtype.",
           (AttrSpec("act", "name", "none", ("none", "relu")),), numeric=Numeric.ULP, ulp=1),
    ]  # fmt: skip


def _unary() -> list[Op]:
    exact_any = ("abs", "neg", "sign", "relu")
    exact_float = ("floor", "ceil", "round")
    ulps = {"sqrt": 1, "recip": 1, "rsqrt": 2}
    rows: list[Op] = []
    for number, fn in enumerate(sem.UNARY):
        dtypes = ("bool",) if fn == "not" else NUMBERS if fn in exact_any else FLOATS
        exact = fn in exact_any or fn in exact_float or fn == "not"
        rows.append(
            Op(fn, 0x20 + number, Pipe.V, (_out((UB,), dtypes), _ub("a", dtypes)), sem.unary(fn),
               f"dst = {fn}(a).", numeric=Numeric.EXACT if exact else Numeric.ULP, ulp=0 if exact else ulps.get(fn, 4),
               cost=Cost.ELEMENTS if exact else Cost.TRANSCENDENTAL)
        )  # fmt: skip
    return rows


def _binary() -> list[Op]:
    rows: list[Op] = []
    for number, fn in enumerate(sem.BINARY):
        dtypes = (*INTEGERS, "bool") if fn in ("and", "or", "xor") else NUMBERS
        power = fn == "pow"
        rows.append(
            Op(fn, 0x40 + number, Pipe.V, (_out((UB,), dtypes), _ub("a", dtypes), _ub("b", dtypes)), sem.binary(fn),
               f"dst = {fn}(a, b).", numeric=Numeric.ULP if power else Numeric.EXACT, ulp=4 if power else 0,
               cost=Cost.TRANSCENDENTAL if fn in ("pow", "div", "mod", "fmod") else Cost.ELEMENTS)
        )  # fmt: skip
    for number, fn in enumerate(sem.COMPARE):
        rows.append(
            Op(f"cmp.{fn}", 0x50 + number, Pipe.V, (_out((UB,), ("bool",), Same.FREE), _ub("a", ANY), _ub("b", ANY)),
               sem.compare(fn), f"dst = a {fn} b, as a boolean.")
        )  # fmt: skip
    return rows


def _vector() -> list[Op]:
    reduces = [
        Op(f"reduce.{fn}", 0x60 + number, Pipe.V, (_out((UB,), NUMBERS), OperandSpec("src", (UB,), NUMBERS)),
           sem.reduce(fn), f"Join the reduce dimensions with {fn}; `zero` starts anew, else joins dst too.",
           (_ZERO,), (P, R), Numeric.EXACT if fn in ("max", "min") else Numeric.FREE_ORDER)
        for number, fn in enumerate(sem.REDUCE)
    ]  # fmt: skip
    return [
        Op("fma", 0x58, Pipe.V,
           (_out((UB,), NUMBERS), _ub("a", NUMBERS), _ub("b", NUMBERS), _ub("c", NUMBERS)), sem.fma,
           "dst = a * b + c.", numeric=Numeric.ULP, ulp=1),
        Op("select", 0x59, Pipe.V,
           (_out((UB,)), OperandSpec("cond", (UB,), ("bool",), Same.FREE), _ub("a", ANY), _ub("b", ANY)), sem.select,
           "dst = a where cond, else b."),
        Op("cast", 0x5A, Pipe.V, (_out((UB,), ANY, Same.FREE), _src((UB,), ANY, Same.FREE)), sem.cast,
           "Convert the dtype: float to integer truncates and saturates (NaN gives 0), integers wrap."),
        Op("copy", 0x5B, Pipe.V, (_out((UB,)), OperandSpec("src", (UB,), scalar=True)), sem.copy,
           "Copy within ub; a scalar source fills."),
        *reduces,
        Op("mac", 0x68, Pipe.V,
           (_out((UB,), NUMBERS), OperandSpec("a", (UB,), NUMBERS), OperandSpec("b", (UB,), NUMBERS)),
           sem.mac, "Vector multiply-accumulate: dst (+)= a * b summed over the reduce dimensions.",
           (_ZERO,), (P, R), Numeric.FREE_ORDER),
        Op("scan.add", 0x69, Pipe.V, (_out((UB,), NUMBERS), OperandSpec("src", (UB,), NUMBERS)), sem.scan_add,
           "Running sum along the scan dimension.", (), (P, SC), Numeric.FREE_ORDER),
        Op("iota", 0x6A, Pipe.V, (_out((UB,), NUMBERS),), sem.iota, "start + step * index along the scan dimension.",
           (AttrSpec("start", "poly", Poly()), AttrSpec("step", "poly", ONE)), (P, SC)),
        Op("order", 0x6B, Pipe.V,
           (_out((UB,), ("i32",), Same.FREE), OperandSpec("src", (UB,), NUMBERS)), sem.order,
           "The indices along the scan dimension that sort it: dst[0] is where the first element is. "
           "Equal elements keep their order; NaN is greater than any number.",
           (AttrSpec("by", "name", "ascending", ("ascending", "descending")),), (P, SC), cost=Cost.SORT),
    ]  # fmt: skip


TABLE: tuple[Op, ...] = (*_moves(), *_matrix(), *_unary(), *_binary(), *_vector())
OPS: dict[str, Op] = {op.name: op for op in TABLE}
BY_OPCODE: dict[int, Op] = {op.code: op for op in TABLE}


def accumulator_dtype(a: str, b: str) -> str | None:
    """The accumulator dtype of `mmad` for operand dtypes a and b; None where the machine has no such product."""
    if a == b and a in ("f32", "f64"):
        return a
    if a == b and a in ("f16", "bf16"):
        return "f32"
    if {a, b} <= {"i8", "u8"}:
        return "i32"
    return None
