"""A program's machine code with what a runtime must know to run it, in memory and as the bytes of a file.

The file: magic, format, checksum of all that follows, key, size of the facts; the facts as JSON; the image as it is
mapped. The checksum finds damage, the key a file under a wrong name; a stranger's file is cache.py's concern.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from hashlib import blake2b
from typing import Any, Protocol

from vcc.runtime.native.driver import entry
from vcc.runtime.native.linked import PAGE, Linked
from vcc.runtime.native.mapping import Mapping as MappedImage
from vcc.runtime.native.schedule import Task, widest

FORMAT = 2
_MAGIC = b"VCCCODE\n"
_HEADER = struct.Struct("<8sI32s32sI")
_CHECKED_FROM = 8 + 4 + 32


class Loaded(Protocol):
    """Machine code in memory, as long as the object lives."""

    def address(self, name: str) -> int:
        """Where a function starts."""
        ...


@dataclass(frozen=True)
class Run:
    """One entry into native code: launches from step `first` on.

    Function `n` of them, named `entry(number, n)`, belongs to step `steps[n]`; `phases` are tasks of these functions.
    """

    number: int
    first: int
    steps: tuple[int, ...]
    phases: tuple[tuple[Task, ...], ...]

    @property
    def divided(self) -> bool:
        """Whether more than one thread has work."""
        return widest(self.phases) > 1


@dataclass(frozen=True)
class Facts:
    """What is known of a program's machine code.

    `kernels` are the names of all kernels, `traps` the messages by number of those launched, `scratch_bytes` what
    one thread's on-chip memories take, `copy_bytes` what copies of overlapping inputs take; `verified` says that the
    program passed the verifier; `cpu` names the CPU.
    """

    runs: tuple[Run, ...]
    kernels: tuple[str, ...]
    traps: Mapping[str, tuple[str, ...]]
    scratch_bytes: int
    copy_bytes: int
    verified: bool
    cpu: str


@dataclass(frozen=True)
class ProgramCode:
    """Facts and the loaded code."""

    facts: Facts
    loaded: Loaded


class DamagedCodeError(Exception):
    """Why bytes are not the code that was asked for."""


def write_code(facts: Facts, image: Linked, key: bytes) -> bytes:
    """The bytes of a file. `key` has 32 bytes."""
    told = asdict(facts) | {"code_bytes": image.code_bytes, "table": image.table, "symbols": image.symbols}
    text = json.dumps(told, separators=(",", ":")).encode()
    checked = key + struct.pack("<I", len(text)) + text + image.data
    return _MAGIC + struct.pack("<I", FORMAT) + blake2b(checked, digest_size=32).digest() + checked


def read_code(data: bytes, key: bytes) -> tuple[Facts, Linked]:
    """What `write_code` made a file of. Raises DamagedCodeError."""
    if len(data) < _HEADER.size:
        raise DamagedCodeError("it is shorter than its header")
    magic, version, checksum, found, size = _HEADER.unpack_from(data)
    if (magic, version) != (_MAGIC, FORMAT):
        raise DamagedCodeError("it is not a file of machine code")
    if blake2b(memoryview(data)[_CHECKED_FROM:], digest_size=32).digest() != checksum:
        raise DamagedCodeError("its checksum differs")
    if found != key:
        raise DamagedCodeError("it belongs to another program")
    try:
        told = json.loads(data[_HEADER.size : _HEADER.size + size])
        image = Linked(data[_HEADER.size + size :], told["code_bytes"], tuple(told["table"]), told["symbols"])
        runs = tuple(_run(**run) for run in told["runs"])
        traps = {name: tuple(texts) for name, texts in told["traps"].items()}
        numbers = told["scratch_bytes"], told["copy_bytes"]
        facts = Facts(runs, tuple(told["kernels"]), traps, *numbers, told["verified"], told["cpu"])
        sound = _agree(image, facts)
    except (ValueError, KeyError, TypeError, AttributeError) as problem:
        raise DamagedCodeError(f"it cannot be understood: {problem!r}") from problem
    if not sound:
        raise DamagedCodeError("its parts contradict each other")
    return facts, image


def _run(number: int, first: int, steps: list[int], phases: list[list[dict[str, Any]]]) -> Run:
    return Run(number, first, tuple(steps), tuple(tuple(Task(**task) for task in phase) for phase in phases))


def _agree(image: Linked, facts: Facts) -> bool:
    inside = [item for item in image.table if isinstance(item, int)]
    return (
        image.code_bytes % PAGE == 0
        and 0 <= image.code_bytes <= image.table_offset
        and all(0 <= place < len(image.data) for place in (*inside, *image.symbols.values()))
        and all(0 <= image.symbols.get(name, -1) < image.code_bytes for name in _called(facts))
        and all(0 <= task.first < task.end <= len(r.steps) for r in facts.runs for p in r.phases for task in p)
    )


def _called(facts: Facts) -> list[str]:
    """The functions that a program enters native code by."""
    return [entry(run.number, n) for run in facts.runs for n in range(len(run.steps))]


def load(facts: Facts, image: Linked) -> ProgramCode:
    """The code mapped into memory. Raises VccError (E0121) where the system does not allow that."""
    return ProgramCode(facts, MappedImage(image))
