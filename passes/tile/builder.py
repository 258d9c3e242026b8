"""Builds the body of a `visa.kernel`: parameters, buffers, loops and instructions, with expressions as `Poly`s.

Registers and buffers go by name while building; the builder knows the SSA value behind each name.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from math import prod

from xdsl.dialects import arith, scf
from xdsl.dialects.builtin import IndexType, IntegerAttr, LocationAttr, StringAttr
from xdsl.ir import Attribute, Block, Operation, Region, SSAValue

from vcc.dialects.origin import node_names
from vcc.dialects.visa.instruction import instruction_op
from vcc.dialects.visa.structure import AllocOp, ForallOp, KernelOp
from vcc.dialects.visa.types import BufferType, GlobalType
from vcc.runtime.diagnostics import error
from vcc.runtime.isa.dtypes import DType
from vcc.runtime.isa.expr import ONE, ZERO, Poly, PolyLike
from vcc.runtime.isa.kernel import MAX_DIMS, AttrValue, Dim, Instr, Memory, Operand, Role, Tap, View
from vcc.runtime.isa.table import OPS

LOOP_KIND = "visa.kind"


def row_major(shape: Sequence[int]) -> tuple[int, ...]:
    """The strides of a dense array."""
    return tuple(prod(shape[i + 1 :]) for i in range(len(shape)))


@dataclass(frozen=True)
class Tile:
    """A buffer on chip: its name and its shape, in elements; dense, row-major."""

    name: str
    shape: tuple[int, ...]
    dtype: DType

    @property
    def strides(self) -> tuple[int, ...]:
        """Row-major strides."""
        return row_major(self.shape)

    def view(self, strides: Sequence[PolyLike] | None = None, base: PolyLike = 0) -> View:
        """A view with the given strides, one per dimension of the domain (default: the tile's own)."""
        chosen = self.strides if strides is None else strides
        return View(self.name, tuple(map(Poly.of, chosen)), Poly.of(base))


def dim(
    name: str,
    size: PolyLike,
    max: int | None = None,
    role: Role = Role.PARALLEL,
    valid: tuple[PolyLike, PolyLike] | None = None,
) -> Dim:
    """A dimension; `max` may be left out when the size is a constant."""
    poly = Poly.of(size)
    most = poly.constant if max is None else max
    if most is None:
        raise ValueError(f"dimension {name} of size {poly} needs a maximum")
    return Dim(name, poly, most, role, None if valid is None else (Poly.of(valid[0]), Poly.of(valid[1])))


def merge_dims(dims: Sequence[Dim], strides: Sequence[Sequence[Poly]]) -> tuple[list[Dim], list[list[Poly]]]:
    """Fewer dimensions with the same meaning: neighbours of one role that every view walks through without a gap.

    `strides` has one sequence per view. Sizes of 1 are dropped; dimensions with valid intervals or sizes in registers
    stay, but the outer one of a merged pair may have its size in a register.
    """
    kept_dims: list[Dim] = []
    kept: list[list[Poly]] = [[] for _ in strides]
    for i, d in enumerate(dims):
        if d.max == 1 and d.size == ONE and d.valid is None and d.role is not Role.SCAN and len(dims) > 1:
            continue
        inner = d.size.constant
        outer = kept_dims[-1] if kept_dims else None
        if (
            outer is not None
            and inner is not None
            and d.valid is None
            and outer.valid is None
            and outer.role is d.role
            and d.role is not Role.SCAN
            and all(k[-1] == view[i] * inner for k, view in zip(kept, strides, strict=True))
        ):
            kept_dims[-1] = Dim(outer.name, outer.size * inner, outer.max * inner, d.role)
            for k, view in zip(kept, strides, strict=True):
                k[-1] = view[i]
        else:
            kept_dims.append(d)
            for k, view in zip(kept, strides, strict=True):
                k.append(view[i])
    if not kept_dims:
        return [dim("i", 1)], [[ZERO] for _ in strides]
    return kept_dims, kept


class KernelBuilder:
    """Makes one kernel; see the module's text."""

    def __init__(self) -> None:
        self.entry = Block()
        self.block = self.entry
        self.registers: dict[str, SSAValue] = {}
        self.buffers: dict[str, SSAValue] = {}
        self.location: LocationAttr | None = None
        self._constants: dict[int, SSAValue] = {}
        self._used: set[str] = set()

    def param(self, hint: str, dtype: DType, extent: int, mode: str) -> str:
        """Add a tensor parameter; returns its name."""
        value = self.entry.insert_arg(GlobalType.of(dtype, extent, mode), len(self.entry.args))
        return self._name_buffer(hint, value)

    def alloc(self, hint: str, memory: Memory, shape: Sequence[int], dtype: DType) -> Tile:
        """A tile that lives in the block being built."""
        op = AllocOp(BufferType.of(memory, tuple(shape), dtype))
        self._add(op)
        return Tile(self._name_buffer(hint, op.buffer), tuple(shape), dtype)

    def emit(
        self,
        op: str,
        dims: Sequence[Dim],
        operands: Mapping[str, Operand],
        *,
        sources: Sequence[int] = (),
        tap: Tap | None = None,
        when: Poly | None = None,
        **attrs: AttrValue,
    ) -> None:
        """Add an instruction, its dimensions merged where its views allow; attributes with the default are left out.

        It is skipped where `when` is 0.
        Raises `VccError` E0140 if it still needs more dimensions than an instruction can have.
        """
        views = [operand for operand in operands.values() if isinstance(operand, View)]
        strides = [view.strides for view in views] + ([tap.strides] if tap else [])
        merged, new_strides = merge_dims(dims, strides)
        rebuilt = {
            view: View(view.buffer, tuple(s), view.base, view.slot) for view, s in zip(views, new_strides, strict=False)
        }
        if len(merged) > MAX_DIMS:
            node = "" if self.location is None else ", ".join(node_names(self.location))
            raise error("E0140", f"{op} would need {len(merged)} dimensions; an instruction has {MAX_DIMS}", node=node)
        defaults = {spec.name: spec.default for spec in OPS[op].attrs}
        instr = Instr(
            op,
            tuple(merged),
            {role: rebuilt[o] if isinstance(o, View) else o for role, o in operands.items()},
            {name: value for name, value in attrs.items() if value != defaults[name]},
            sources=tuple(sources),
            tap=Tap(tap.value, tuple(new_strides[-1]), tap.base) if tap else None,
            when=None if when == ONE else when,
        )
        self._add(instruction_op(instr, self.buffers, self.registers))

    @contextmanager
    def forall(self, sizes: Mapping[str, int]) -> Generator[dict[str, Poly]]:
        """The loop nest over cores; sizes by variable name, those of 1 leave no variable but the constant 0."""
        real = {name: size for name, size in sizes.items() if size != 1} or {next(iter(sizes), "one"): 1}
        body = Block(arg_types=[IndexType()] * len(real))
        names = [self._name_register(name, arg) for name, arg in zip(real, body.args, strict=True)]
        self._add(ForallOp(list(real.values()), Region(body)))
        outer, constants = self.block, self._constants
        self.block, self._constants = body, {}
        variables = dict.fromkeys(sizes, ZERO) | {
            name: Poly.of(register) for name, register in zip(real, names, strict=True)
        }
        yield variables
        self.block, self._constants = outer, constants

    @contextmanager
    def loop(self, name: str, trips: PolyLike, kind: str = "seq") -> Generator[Poly]:
        """`trips` iterations; a single one leaves no loop. `kind` is "seq", "reduce" or "parallel"."""
        if Poly.of(trips) == ONE:
            yield ZERO
            return
        zero, top, one = self.constant(0), self.materialise(Poly.of(trips)), self.constant(1)
        body = Block(arg_types=[IndexType()])
        register = self._name_register(name, body.args[0])
        op = scf.ForOp(zero, top, one, [], body)
        op.attributes[LOOP_KIND] = StringAttr(kind)
        self._add(op)
        outer, constants = self.block, dict(self._constants)
        self.block = body
        yield Poly.of(register)
        self._add(scf.YieldOp())
        self.block, self._constants = outer, constants

    def minimum(self, a: PolyLike, b: PolyLike) -> Poly:
        """The smaller of two values, a constant where that is known."""
        left, right = Poly.of(a), Poly.of(b)
        if (difference := (left - right).constant) is not None:
            return left if difference <= 0 else right
        op = arith.MinSIOp(self.materialise(left), self.materialise(right))
        self._add(op)
        return Poly.of(self._name_register("m", op.result))

    def maximum(self, a: PolyLike, b: PolyLike) -> Poly:
        """The larger of two values, a constant where that is known."""
        left, right = Poly.of(a), Poly.of(b)
        if (difference := (left - right).constant) is not None:
            return left if difference >= 0 else right
        op = arith.MaxSIOp(self.materialise(left), self.materialise(right))
        self._add(op)
        return Poly.of(self._name_register("m", op.result))

    def equals(self, a: PolyLike, b: PolyLike) -> Poly:
        """1 where two values are equal, else 0."""
        left, right = Poly.of(a), Poly.of(b)
        if (difference := (left - right).constant) is not None:
            return Poly.of(int(difference == 0))
        compare = arith.CmpiOp(self.materialise(left), self.materialise(right), "eq")
        self._add(compare)
        op = arith.SelectOp(compare.result, self.constant(1), self.constant(0))
        self._add(op)
        return Poly.of(self._name_register("first", op.result))

    def constant(self, value: int) -> SSAValue:
        """An index constant, made once per block."""
        if value not in self._constants:
            op = arith.ConstantOp(IntegerAttr(value, IndexType()))
            self._add(op)
            op.result.name_hint = f"c{value}" if value >= 0 else None
            self._constants[value] = op.result
        return self._constants[value]

    def materialise(self, poly: Poly) -> SSAValue:
        """The SSA value of an expression."""
        total: SSAValue | None = None
        for monomial, coefficient in poly.terms:
            value = self.constant(coefficient) if coefficient != 1 or not monomial else None
            for name in monomial:
                register = self.registers[name]
                if value is None:
                    value = register
                else:
                    product = arith.MuliOp(value, register)
                    self._add(product)
                    value = product.result
            assert value is not None
            if total is None:
                total = value
            else:
                addition = arith.AddiOp(total, value)
                self._add(addition)
                total = addition.result
        return self.constant(0) if total is None else total

    def finish(self, name: str, num_sources: int, tap_types: Sequence[Attribute]) -> KernelOp:
        """The kernel."""
        return KernelOp(name, Region(self.entry), num_sources, tap_types)

    def _add(self, op: Operation) -> None:
        if self.location is not None:
            op.location = self.location
        self.block.add_op(op)

    def _unique(self, hint: str) -> str:
        name, count = hint, 2
        while name in self._used:
            name, count = f"{hint}{count}", count + 1
        self._used.add(name)
        return name

    def _name_buffer(self, hint: str, value: SSAValue) -> str:
        name = self._unique(hint)
        value.name_hint = name
        self.buffers[name] = value
        return name

    def _name_register(self, hint: str, value: SSAValue) -> str:
        name = self._unique(hint)
        value.name_hint = name
        self.registers[name] = value
        return name
