"""What instructions mean, one element at a time in Python's own numbers: written apart from the numpy semantics."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vcc.runtime.isa.dtypes import DType
from vcc.runtime.isa.expr import Poly
from vcc.runtime.isa.kernel import Instr, Role, View
from vcc.runtime.isa.table import OPS, Numeric

Number = float | int
EPSILON = {"f64": 2.0**-52, "f32": 2.0**-23, "f16": 2.0**-10, "bf16": 2.0**-7}


def _sign(x: Number) -> Number:
    return (x > 0) - (x < 0)


UNARY: dict[str, Callable[[Number], Number]] = {
    "abs": abs, "neg": lambda x: -x, "exp": math.exp, "log": math.log, "sqrt": math.sqrt,
    "rsqrt": lambda x: 1 / math.sqrt(x), "recip": lambda x: 1 / x, "tanh": math.tanh, "erf": math.erf,
    "sigmoid": lambda x: 1 / (1 + math.exp(-x)), "sin": math.sin, "cos": math.cos,
    "floor": math.floor, "ceil": math.ceil, "round": round, "sign": _sign,
    "relu": lambda x: max(x, 0), "not": lambda x: not x,
}  # fmt: skip


def _divide(a: Number, b: Number) -> Number:
    if isinstance(a, int) and isinstance(b, int):
        return abs(a) // abs(b) * (-1 if (a < 0) != (b < 0) else 1)
    return a / b


def _fmod(a: Number, b: Number) -> Number:
    return a - b * _divide(a, b) if isinstance(a, int) else math.fmod(a, b)


BINARY: dict[str, Callable[[Any, Any], Number]] = {
    "add": lambda a, b: a + b, "sub": lambda a, b: a - b, "mul": lambda a, b: a * b, "div": _divide,
    "mod": lambda a, b: a % b, "fmod": _fmod, "pow": lambda a, b: a**b, "min": min, "max": max,
    "and": lambda a, b: a & b, "or": lambda a, b: a | b, "xor": lambda a, b: a ^ b,
    "cmp.eq": lambda a, b: a == b, "cmp.ne": lambda a, b: a != b, "cmp.lt": lambda a, b: a < b,
    "cmp.le": lambda a, b: a <= b, "cmp.gt": lambda a, b: a > b, "cmp.ge": lambda a, b: a >= b,
}  # fmt: skip


@dataclass
class Expected:
    """The value of one element and how far an engine may be from it."""

    value: Number
    tolerance: float = 0.0


class Oracle:
    """One instruction over buffers given as arrays [slot, element]."""

    def __init__(
        self, instr: Instr, dtypes: Mapping[str, DType], data: Mapping[str, NDArray[Any]], env: Mapping[str, int]
    ):
        self.instr = instr
        self.op = OPS[instr.op]
        self._dtypes = dtypes
        self._data = data
        self._env = env
        self.out = instr.operands["dst"]
        assert isinstance(self.out, View)
        self.dtype = dtypes[self.out.buffer]

    def address(self, view: View, index: tuple[int, ...]) -> tuple[int, int]:
        """The slot and element that a view has at an index of the domain."""
        slot = view.slot.evaluate(self._env) % self._data[view.buffer].shape[0]
        moved = sum(i * stride.evaluate(self._env) for i, stride in zip(index, view.strides, strict=True))
        return slot, view.base.evaluate(self._env) + moved

    def _input(self, role: str, index: tuple[int, ...]) -> Number:
        operand = self.instr.operands[role]
        if isinstance(operand, View):
            element = self._data[operand.buffer][self.address(operand, index)]
            return float(element) if self._dtypes[operand.buffer].is_float else int(element)
        value = operand.value.evaluate(self._env) if isinstance(operand.value, Poly) else operand.value
        shared = self._shared()
        return float(value) if shared.is_float else int(convert(value, shared))

    def _shared(self) -> DType:
        for role in ("src", "a", "b", "dst"):
            operand = self.instr.operands.get(role)
            if isinstance(operand, View) and not (role == "dst" and self.op.name.startswith("cmp")):
                return self._dtypes[operand.buffer]
        return self.dtype

    def _attr(self, name: str) -> Any:
        value = self.instr.attrs.get(name, next(s.default for s in self.op.attrs if s.name == name))
        return value.evaluate(self._env) if isinstance(value, Poly) else value

    def expected(self) -> dict[tuple[int, int], Expected]:
        """What is written, by slot and element of the destination."""
        sizes = [dim.size.evaluate(self._env) for dim in self.instr.domain]
        indices = list(product(*map(range, sizes)))
        assert isinstance(self.out, View)
        where = {index: self.address(self.out, index) for index in indices}
        if any(dim.role.is_reduction for dim in self.instr.domain):
            return self._reduced(where)
        if self.op.name == "scan.add":
            return self._scanned(where)
        if self.op.name == "order":
            return self._ordered(where)
        return {address: self._element(index) for index, address in where.items()}

    def _element(self, index: tuple[int, ...]) -> Expected:
        name, arguments = self.op.name, {r: self._input(r, index) for r in self.instr.operands if r != "dst"}
        magnitude = 0.0
        if name in UNARY:
            value = UNARY[name](arguments["a"])
        elif name in BINARY:
            value = BINARY[name](arguments["a"], arguments["b"])
        elif name == "fma":
            value = arguments["a"] * arguments["b"] + arguments["c"]
            magnitude = abs(arguments["a"] * arguments["b"]) + abs(arguments["c"])
        elif name == "select":
            value = arguments["a"] if arguments["cond"] else arguments["b"]
        elif name == "iota":
            (axis,) = (i for i, dim in enumerate(self.instr.domain) if dim.role is Role.SCAN)
            value = self._attr("start") + self._attr("step") * index[axis]
        elif name == "drain":
            value = arguments["src"] * arguments.get("scale", 1)
            magnitude = abs(value) + abs(arguments.get("bias", 0)) + abs(arguments.get("residual", 0))
            value += arguments.get("bias", 0) + arguments.get("residual", 0)
            value = value if self._shared().is_float else int(convert(value, self._shared()))
            value = max(value, 0) if self._attr("act") == "relu" else value
        else:
            value = arguments["src"]
        return Expected(value, self._tolerance(value, magnitude))

    def _tolerance(self, value: Number, magnitude: float) -> float:
        if not self.dtype.is_float or self.op.numeric is Numeric.EXACT:
            return 0.0
        epsilon = max(EPSILON[dtype.name] for dtype in (self.dtype, self._shared()) if dtype.is_float)
        return epsilon * (self.op.ulp * abs(value) + 4 * magnitude)

    def _reduced(self, where: dict[tuple[int, ...], tuple[int, int]]) -> dict[tuple[int, int], Expected]:
        name = self.op.name
        join = BINARY["add" if name in ("mmad", "mac") else name.removeprefix("reduce.")]
        found: dict[tuple[int, int], list[Number]] = {}
        assert isinstance(self.out, View)
        for index, address in where.items():
            if address not in found:
                old = self._data[self.out.buffer][address]
                found[address] = [] if self._attr("zero") else [float(old) if self.dtype.is_float else int(old)]
            found[address].append(
                self._input("src", index) if "src" in self.instr.operands
                else self._input("a", index) * self._input("b", index)
            )  # fmt: skip
        result: dict[tuple[int, int], Expected] = {}
        for address, terms in found.items():
            total = terms[0]
            for term in terms[1:]:
                total = join(total, term)
            result[address] = Expected(total, self._free_order(terms, total))
        return result

    def _free_order(self, terms: list[Number], total: Number) -> float:
        if not self.dtype.is_float or self.op.numeric is Numeric.EXACT:
            return 0.0
        magnitude = abs(total) if self.op.name == "reduce.mul" else sum(map(abs, terms))
        return EPSILON[self.dtype.name] * (len(terms) + 1) * magnitude

    def _scanned(self, where: dict[tuple[int, ...], tuple[int, int]]) -> dict[tuple[int, int], Expected]:
        (axis,) = (i for i, dim in enumerate(self.instr.domain) if dim.role is Role.SCAN)
        result: dict[tuple[int, int], Expected] = {}
        for index, address in where.items():
            terms = [self._input("src", (*index[:axis], i, *index[axis + 1 :])) for i in range(index[axis] + 1)]
            result[address] = Expected(sum(terms), self._free_order(terms, 0))
        return result

    def _ordered(self, where: dict[tuple[int, ...], tuple[int, int]]) -> dict[tuple[int, int], Expected]:
        (axis,) = (i for i, dim in enumerate(self.instr.domain) if dim.role is Role.SCAN)
        size = self.instr.domain[axis].size.evaluate(self._env)
        down = self._attr("by") == "descending"
        result: dict[tuple[int, int], Expected] = {}
        for index, address in where.items():
            row = [self._input("src", (*index[:axis], i, *index[axis + 1 :])) for i in range(size)]
            places = sorted(range(size), key=lambda i, row=row: (-row[i] if down else row[i], i))
            result[address] = Expected(places[index[axis]])
        return result


def convert(value: Number, dtype: DType) -> Any:
    """A Python number as an element: integers wrap, floats round; to an integer they truncate and saturate."""
    if dtype.kind == "b":
        return np.bool_(bool(value))
    if dtype.is_float:
        with np.errstate(over="ignore"):
            return np.asarray(float(value)).astype(dtype.numpy)[()]
    info = np.iinfo(dtype.numpy)
    if isinstance(value, float):
        whole = 0 if math.isnan(value) else info.max if value >= info.max else max(value, info.min)
        return dtype.numpy.type(int(whole))
    bits = 8 * dtype.size
    wrapped = int(value) % 2**bits
    return dtype.numpy.type(wrapped - 2**bits if wrapped > info.max else wrapped)
