"""vcc itself, natively."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from numpy.typing import NDArray

from vcc.compiler.bench.engines.interface import Session, Subject
from vcc.runtime.session import Program

Array = NDArray[Any]


@dataclass
class VccSession:
    """A program and its inputs. vcc computes with denormals, it flushes none."""

    program: Program
    subject: Subject
    threads: int
    out: list[Array] | None = None
    variant: str = "denormals kept"
    flushes_denormals: bool = field(default=False)

    def run(self) -> list[Array]:
        """As `Session.run`."""
        return self.program.run(self.subject.feeds, engine="native", threads=self.threads, out=self.out)

    def outputs(self) -> list[Array]:
        """As `Session.outputs`."""
        return self.run()


class VccEngine:
    """The engine under test."""

    name = "vcc"

    def version(self) -> str:
        """vcc's version."""
        from vcc import __version__

        return __version__

    def open(self, subject: Subject, threads: int) -> list[Session]:
        """One session. The machine code is made by its first run."""
        return [VccSession(Program(subject.image), subject, threads, subject.fresh_outputs())]
