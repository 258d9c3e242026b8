"""The machine model: what a machine description (TOML) says about cores, memories, rates and costs.

Nothing about a concrete machine is in Python code; `parse_machine` is the only way to make a `Machine`.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from types import MappingProxyType
from typing import Any, TypeVar

from vcc.runtime.diagnostics import VccError, error
from vcc.runtime.isa.dtypes import BY_NAME
from vcc.runtime.isa.kernel import Memory, Pipe

ON_CHIP = (Memory.L1, Memory.L0A, Memory.L0B, Memory.L0C, Memory.UB)
MOVERS = (Pipe.IN, Pipe.MOV, Pipe.OUT)

#: The largest on-chip memory and number of cores a description may ask for: engines allocate them for real.
MAX_MEMORY = 1 << 30
MAX_CORES = 1 << 16
MAX_INTEGER = 1 << 48
#: The widest outputs of minimal filtering that a description may allow: errors grow with them.
WIDEST_WINOGRAD = 4

K = TypeVar("K", bound=str)


@dataclass(frozen=True)
class Banks:
    """How a memory is divided: `count` banks, of which each in turn has the next `bytes`.

    Where two operands of a vector instruction are in one bank, each vector takes `conflict` cycles more.
    """

    count: int
    bytes: int
    conflict: int


@dataclass(frozen=True)
class Machine:
    """One machine. Sizes are bytes, times cycles of the core clock, rates per cycle.

    `memories` are a core's own; `l2_bytes`, `gm_bytes_per_cycle` and `l2_bytes_per_cycle` belong to the whole machine,
    all else to one core. `macs` are multiply-adds per cycle by the dtype of the operands ("i8" for any mix of i8 and
    u8; no entry: no such product); `lanes` are vector elements per cycle by dtype, see `lanes_of`. `fractal` is the
    granularity (m, n, k) of a matrix product. `transcendental` is what a vector of exp & co costs where one of add
    costs 1. `burst_bytes` is the granule of a contiguous piece of a transfer. `overlap` says whether a core's pipes
    work at the same time; else only transfers hide behind what the core computes. `panel` is how many columns of a
    constant matrix lie side by side, about (0: as many as a tile has). `winograd` is the largest m for which 3x3
    convolutions in f32 may be done by Winograd's F(m x m, 3x3) (0: none). `banks` are those of the memories that have
    some. `meeting` is what it takes all cores to wait for each other within a kernel. `text` is the TOML itself.
    """

    name: str
    cores: int
    clock_ghz: float
    memories: Mapping[Memory, int]
    l2_bytes: int
    gm_bytes_per_cycle: float
    l2_bytes_per_cycle: float
    pipe_bytes_per_cycle: Mapping[Pipe, float]
    burst_bytes: Mapping[Pipe, int]
    macs: Mapping[str, int]
    fractal: tuple[int, int, int]
    lanes: Mapping[str, int]
    transcendental: int
    startup: Mapping[Pipe, int]
    launch: int
    overlap: bool
    panel: int
    meeting: int
    winograd: int
    banks: Mapping[Memory, Banks]
    text: str

    def lanes_of(self, dtype: str) -> int:
        """Vector elements per cycle; a dtype the description leaves out fills the same bytes as f32 does."""
        return self.lanes.get(dtype) or max(1, self.lanes["f32"] * 4 // BY_NAME[dtype].size)

    def gm_share(self, *, l2: bool = False) -> float:
        """Bytes per cycle that one core gets of global memory (or of L2) when all cores ask at once."""
        return (self.l2_bytes_per_cycle if l2 else self.gm_bytes_per_cycle) / self.cores


def parse_machine(text: str, origin: str) -> Machine:
    """The machine that a description tells of; `origin` (a file or target name) is for messages.

    Raises `VccError` E0201 naming the key that is missing, unknown, of the wrong type or out of range.
    """
    try:
        table = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as problem:
        raise error("E0201", f"{origin}: not TOML: {problem}") from problem
    reader = _Reader(origin, table)
    machine = Machine(
        name=reader.name("name"),
        cores=reader.integer("cores", 1, MAX_CORES),
        clock_ghz=reader.rate("clock_ghz"),
        memories=reader.integers("memories", ON_CHIP, 0, MAX_MEMORY),
        l2_bytes=reader.integer("l2_bytes"),
        gm_bytes_per_cycle=reader.rate("gm_bytes_per_cycle"),
        l2_bytes_per_cycle=reader.rate("l2_bytes_per_cycle"),
        pipe_bytes_per_cycle=reader.rates("pipe_bytes_per_cycle", MOVERS),
        burst_bytes=reader.integers("burst_bytes", MOVERS, 1),
        macs=reader.per_dtype("macs"),
        fractal=reader.fractal("fractal"),
        lanes=reader.per_dtype("lanes", required="f32"),
        transcendental=reader.integer("transcendental", 1),
        startup=reader.integers("startup", tuple(Pipe), 0),
        launch=reader.integer("launch"),
        overlap=reader.flag("overlap", default=True),
        panel=reader.integer("panel", high=1 << 16) if "panel" in table else 0,
        winograd=reader.integer("winograd", high=WIDEST_WINOGRAD) if "winograd" in table else 0,
        meeting=reader.integer("meeting" if "meeting" in table else "launch"),
        banks=reader.banks("banks"),
        text=text,
    )
    reader.finish()
    return machine


class _Reader:
    """Takes typed values out of the table and remembers which keys were asked for."""

    def __init__(self, origin: str, table: dict[str, Any]):
        self.origin, self.table, self.known = origin, table, set[str]()

    def fail(self, key: str, what: str) -> VccError:
        return error("E0201", f"{self.origin}: machine description: key '{key}' {what}")

    def take(self, key: str) -> Any:
        self.known.add(key)
        if key not in self.table:
            raise self.fail(key, "is missing")
        return self.table[key]

    def finish(self) -> None:
        if extra := sorted(self.table.keys() - self.known):
            raise self.fail(extra[0], "is unknown")

    def name(self, key: str) -> str:
        value = self.take(key)
        if not isinstance(value, str) or not value.isprintable() or not value:
            raise self.fail(key, "must be a string that is not empty")
        return value

    def flag(self, key: str, default: bool) -> bool:
        """A boolean that may be missing."""
        value = self.take(key) if key in self.table else default
        if not isinstance(value, bool):
            raise self.fail(key, f"must be true or false, not {value!r}")
        return value

    def integer(self, key: str, low: int = 0, high: int = MAX_INTEGER) -> int:
        return self.check_integer(key, self.take(key), low, high)

    def check_integer(self, key: str, value: Any, low: int, high: int) -> int:
        if not isinstance(value, int) or isinstance(value, bool):
            raise self.fail(key, f"must be an integer, not {value!r}")
        if not low <= value <= high:
            raise self.fail(key, f"must be {low}..{high}, not {value}")
        return value

    def rate(self, key: str) -> float:
        return self.check_rate(key, self.take(key))

    def check_rate(self, key: str, value: Any) -> float:
        if not isinstance(value, int | float) or isinstance(value, bool):
            raise self.fail(key, f"must be a number, not {value!r}")
        if not (isfinite(value) and 1e-6 <= value <= MAX_INTEGER):
            raise self.fail(key, f"must be positive and at most {MAX_INTEGER}, not {value}")
        return float(value)

    def section(self, key: str, names: tuple[str, ...], required: tuple[str, ...]) -> dict[str, Any]:
        table = self.take(key)
        if not isinstance(table, dict):
            raise self.fail(key, "must be a table")
        for name in required:
            if name not in table:
                raise self.fail(f"{key}.{name}", "is missing")
        for name in table:
            if name not in names:
                raise self.fail(f"{key}.{name}", f"is unknown (known: {', '.join(names)})")
        return table

    def integers(self, key: str, names: tuple[K, ...], low: int, high: int = MAX_INTEGER) -> Mapping[K, int]:
        table = self.section(key, names, names)
        return MappingProxyType({name: self.check_integer(f"{key}.{name}", table[name], low, high) for name in names})

    def rates(self, key: str, names: tuple[K, ...]) -> Mapping[K, float]:
        table = self.section(key, names, names)
        return MappingProxyType({name: self.check_rate(f"{key}.{name}", table[name]) for name in names})

    def per_dtype(self, key: str, required: str = "") -> Mapping[str, int]:
        table = self.section(key, tuple(BY_NAME), (required,) if required else ())
        return MappingProxyType(
            {name: self.check_integer(f"{key}.{name}", value, 1, MAX_INTEGER) for name, value in table.items()}
        )

    def banks(self, key: str) -> Mapping[Memory, Banks]:
        """The banks of some memories; none where the key is missing."""
        tables = self.section(key, ON_CHIP, ()) if key in self.table else {}
        found: dict[Memory, Banks] = {}
        for name, table in tables.items():
            where = f"{key}.{name}"
            if not isinstance(table, dict) or table.keys() != {"count", "bytes", "conflict"}:
                raise self.fail(where, "must have count, bytes and conflict, and nothing else")
            limits = {"count": (2, 1 << 16), "bytes": (1, MAX_MEMORY), "conflict": (0, 1 << 16)}
            read = {each: self.check_integer(f"{where}.{each}", table[each], *limits[each]) for each in limits}
            found[Memory(name)] = Banks(**read)
        return MappingProxyType(found)

    def fractal(self, key: str) -> tuple[int, int, int]:
        value = self.take(key)
        if not isinstance(value, list) or len(value) != 3:
            raise self.fail(key, "must be a list of three integers: m, n, k")
        m, n, k = (self.check_integer(f"{key}[{i}]", entry, 1, 1 << 16) for i, entry in enumerate(value))
        return m, n, k
