"""The syntax tree of kernels to `Kernel` objects, with the checks that need the names a kernel declares."""

from __future__ import annotations

import json
import math
from typing import Any, TypeVar, cast

from lark import Token, Transformer, Tree, v_args

from vcc.runtime.isa.dtypes import BY_NAME, DType
from vcc.runtime.isa.expr import SCALAR_FNS, ZERO, Poly
from vcc.runtime.isa.kernel import (
    Buffer,
    Dim,
    Event,
    Forall,
    If,
    Instr,
    Kernel,
    Let,
    Loop,
    Memory,
    Pipe,
    Role,
    Scalar,
    ScalarLoad,
    ScalarParam,
    Statement,
    Sync,
    Tap,
    TensorParam,
    View,
)
from vcc.runtime.isa.text_counts import counts_used
from vcc.runtime.isa.text_errors import Problems
from vcc.runtime.isa.text_instr import Named, Signature, build_instr

T = TypeVar("T", Memory, Pipe, Role)
C = TypeVar("C")
_UNKNOWN_DTYPE = BY_NAME["f32"]  # stands for a dtype already reported as unknown


def inline(cls: type[C]) -> type[C]:
    """`v_args(inline=True)` with a type: the class's methods take their rule's children as arguments."""
    return cast("type[C]", v_args(inline=True)(cls))


@inline
class KernelBuilder(Transformer[Token, Any]):
    """Builds kernels bottom-up, left to right, so that a name's declaration is seen before its uses.

    Methods are grammar rules. Mistakes go to `problems`; what is returned after one is not used. Unless `checked`,
    buffers and registers need not be declared: for instructions outside kernels.
    """

    def __init__(self, problems: Problems, checked: bool = True):
        super().__init__()
        self._checked = checked
        self.problems = problems
        self._reset()

    def _reset(self) -> None:
        self._tensors: dict[str, TensorParam] = {}
        self._buffers: dict[str, Buffer] = {}
        self._events: dict[str, Event] = {}
        self._registers: set[str] = set()
        self._uses: list[Token] = []
        self._counts: dict[str, int] = {}

    # ---- words ----

    def name(self, token: Token) -> Token:
        return token.update(value=self.string(token)) if token.type == "STRING" else token

    def string(self, token: Token) -> str:
        try:
            return json.loads(token, strict=False)
        except ValueError:
            self.problems.at(token, "a string with an escape that is not JSON's")
            return ""

    def strings(self, *tokens: Token) -> Token:
        return tokens[0].update(value="".join(map(self.string, tokens)))

    def integer(self, minus: Token | None, digits: Token) -> int:
        return -int(digits) if minus else int(digits)

    def integers(self, *values: int) -> tuple[int, ...]:
        return values

    def polys(self, *values: Poly) -> tuple[Poly, ...]:
        return values

    def constant(self, digits: Token) -> Poly:
        return Poly.of(int(digits))

    def register(self, token: Token) -> Poly:
        self._uses.append(token)
        return Poly.of(token[1:])

    def add(self, a: Poly, b: Poly) -> Poly:
        return a + b

    def sub(self, a: Poly, _minus: Token, b: Poly) -> Poly:
        return a - b

    def mul(self, a: Poly, b: Poly) -> Poly:
        return a * b

    def neg(self, _minus: Token, a: Poly) -> Poly:
        return -a

    def real(self, minus: Token | None, token: Token) -> float:
        # one NaN object for all, as tuples compare by identity first and NaN is not equal to itself
        value = math.nan if token.type == "NAN" else float(token)
        return -value if minus else value

    def number(self, value: Poly) -> Poly:
        return value

    # ---- declarations ----

    def tensor_param(self, name: Token, dtype: Token, extent: Poly, mode: Token) -> TensorParam:
        param = TensorParam(str(name), self.dtype(dtype), str(mode), extent)
        self._declare(name, self._tensors, param)
        return param

    def scalar_param(self, name: Token, low: int, high: int) -> ScalarParam:
        self._registers.add(str(name))
        return ScalarParam(str(name), low, high)

    def params(self, *params: TensorParam | ScalarParam) -> tuple[TensorParam | ScalarParam, ...]:
        self._check_uses()
        return params

    def buffer(
        self, name: Token, memory: Token, dtype: Token, shape: tuple[int, ...] | None, slots: Token | None,
        address: Token | None,
    ) -> None:  # fmt: skip
        buffer = Buffer(
            str(name), self._member(memory, Memory, "memory"), self.dtype(dtype), shape or (),
            int(slots[1:]) if slots else 1, None if address is None else int(address),
        )  # fmt: skip
        self._declare(name, self._buffers, buffer)

    def event(self, name: Token, source: Token, target: Token, slots: Token | None, tokens: Token | None) -> None:
        pipes = self._member(source, Pipe, "pipe"), self._member(target, Pipe, "pipe")
        event = Event(str(name), *pipes, int(slots[1:]) if slots else 1, int(tokens or 0))
        self._declare(name, self._events, event)

    def num_sources(self, count: Token) -> None:
        self._counts["sources"] = int(count)

    def num_taps(self, count: Token) -> None:
        self._counts["taps"] = int(count)

    def dtype(self, token: Token) -> DType:
        """The dtype that a word names; one that it does not is reported."""
        if token not in BY_NAME:
            self.problems.unknown(token, "dtype", BY_NAME)
        return BY_NAME.get(token, _UNKNOWN_DTYPE)

    def _member(self, token: Token, enum: type[T], kind: str) -> T:
        values = {str(member.value): member for member in enum}
        if token not in values:
            self.problems.unknown(token, kind, values)
        return values.get(str(token), next(iter(enum)))

    def _declare(self, name: Token, table: dict[str, Any], value: object) -> None:
        if name in self._tensors or name in self._buffers or name in self._events:
            self.problems.at(name, f"'{name}' is declared twice")
        table[str(name)] = value

    def _check_uses(self) -> None:
        for token in self._uses:
            if self._checked and token[1:] not in self._registers:
                self.problems.unknown(token, "register", [f"%{name}" for name in sorted(self._registers)])
        self._uses.clear()

    # ---- statements ----

    def let(self, register: Token, fn: Token, *args: Poly) -> Let:
        self._check_uses()
        self._registers.add(register[1:])
        if fn not in SCALAR_FNS:
            self.problems.unknown(fn, "scalar instruction", (*SCALAR_FNS, "sload"))
        elif len(args) != SCALAR_FNS[fn]:
            self.problems.at(fn, f"'{fn}' takes {SCALAR_FNS[fn]} operands, not {len(args)}")
        return Let(register[1:], str(fn), args)

    def sload(self, register: Token, param: Token, base: Poly) -> ScalarLoad:
        self._check_uses()
        self._registers.add(register[1:])
        if param not in self._tensors:
            self.problems.unknown(param, "tensor parameter", self._tensors)
        return ScalarLoad(register[1:], str(param), base)

    def sync(self, op: Token, event: Token, slot: Poly | None) -> Sync:
        self._check_uses()
        if event not in self._events:
            self.problems.unknown(event, "event", self._events)
        return Sync(str(op), str(event), ZERO if slot is None else slot)

    def barrier(self) -> Sync:
        return Sync("barrier")

    def loop_head(self, register: Token, low: Poly, high: Poly, step: int | None, kind: Token | None) -> Loop:
        self._check_uses()
        self._registers.add(register[1:])
        return Loop(register[1:], low, high, 1 if step is None else step, str(kind or "seq"), ())

    def loop(self, head: Loop, body: tuple[Statement, ...]) -> Loop:
        return Loop(head.register, head.low, head.high, head.step, head.kind, body)

    def range(self, register: Token, low: Poly, high: Poly) -> tuple[Token, Poly, Poly]:
        return register, low, high

    def forall_head(self, *ranges: tuple[Token, Poly, Poly]) -> tuple[tuple[str, Poly, Poly], ...]:
        self._check_uses()
        self._registers.update(register[1:] for register, _, _ in ranges)
        return tuple((register[1:], low, high) for register, low, high in ranges)

    def forall(self, ranges: tuple[tuple[str, Poly, Poly], ...], body: tuple[Statement, ...]) -> Forall:
        return Forall(ranges, body)

    def if_head(self, condition: Poly) -> Poly:
        self._check_uses()
        return condition

    def conditional(self, condition: Poly, then: tuple[Statement, ...], orelse: tuple[Statement, ...] | None) -> If:
        return If(condition, then, orelse or ())

    def block(self, *statements: Statement) -> tuple[Statement, ...]:
        return statements

    # ---- instructions ----

    def valid(self, low: Poly, high: Poly) -> tuple[Poly, Poly]:
        return low, high

    def dim(
        self, name: Token, role: Token | None, size: Poly, maximum: Token | None, valid: tuple[Poly, Poly] | None
    ) -> Dim:
        if maximum is None and size.constant is None:
            self.problems.at(name, f"dimension '{name}' needs 'max N', as its size {size} is not constant")
        limit = int(maximum) if maximum is not None else size.constant or 0
        return Dim(str(name), size, limit, self._member(role, Role, "role") if role else Role.PARALLEL, valid)

    def dims(self, *dims: Dim) -> tuple[Dim, ...]:
        return dims

    def view(
        self, name: Token, slot: Poly | None, base: Poly | None, strides: tuple[Poly, ...] | None
    ) -> tuple[Token, View]:
        if self._checked and name not in self._buffers and name not in self._tensors:
            self.problems.unknown(name, "buffer or tensor parameter", (*self._buffers, *self._tensors))
        return name, View(str(name), strides or (), ZERO if base is None else base, ZERO if slot is None else slot)

    def scalar(self, value: Poly) -> Scalar:
        return Scalar(value)

    def named(self, name: Token, value: Any) -> Named:
        return Named(name, value)

    def operands(self, *operands: Any) -> tuple[Any, ...]:
        return operands

    def tap(self, value: Token, base: Poly | None, strides: tuple[Poly, ...] | None) -> Tap:
        return Tap(int(value), strides or (), ZERO if base is None else base)

    def instr(
        self, op: Token, dims: tuple[Dim, ...] | None, operands: tuple[Any, ...], when: Poly | None,
        sources: tuple[int, ...] | None, tap: Tap | None,
    ) -> Instr:  # fmt: skip
        self._check_uses()
        return build_instr(Signature(op, dims or (), operands, when, sources or (), tap), self.problems)

    # ---- kernels ----

    def kernel(
        self, name: Token, params: tuple[TensorParam | ScalarParam, ...] | None, *rest: Statement | None
    ) -> Kernel:
        body = tuple(statement for statement in rest if statement is not None)
        kernel = Kernel(str(name), params or (), tuple(self._buffers.values()), tuple(self._events.values()), body)
        sources, taps = counts_used(kernel)
        sources, taps = self._counts.get("sources", sources), self._counts.get("taps", taps)
        self._reset()
        return Kernel(kernel.name, kernel.params, kernel.buffers, kernel.events, body, sources, taps)


def transform(builder: KernelBuilder, tree: Tree[Token]) -> Any:
    """What a builder makes of a tree. Raises VccError if expressions or blocks are nested too deeply to follow."""
    try:
        return builder.transform(tree)
    except RecursionError:
        builder.problems.add(tree.meta.line if not tree.meta.empty else 1, 1, "nested too deeply")
        builder.problems.check()
        raise
