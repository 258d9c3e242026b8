"""vcc itself, natively."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from vcc.compiler.bench.engines.interface import Session, Subject
from vcc.runtime.session import Program, load

Array = NDArray[Any]


@dataclass
class VccSession:
    """A program and its inputs."""

    program: Program
    subject: Subject
    threads: int
    out: list[Array] | None = None
    variant: str = "denormals kept"  # docs/native.md: the native engine flushes none
    flushes_denormals: bool = False

    def run(self) -> list[Array]:
        """As `Session.run`."""
        return self.program.run(self.subject.feeds, engine="native", threads=self.threads, out=self.out)

    def outputs(self) -> list[Array]:
        """As `Session.outputs`."""
        return self.run()


class VccEngine:
    """The engine under test. It needs the .vbin alone."""

    name = "vcc"

    def check(self) -> None:
        """As `Engine.check`: it is here."""

    def version(self) -> str:
        """vcc's version."""
        from vcc import __version__

        return __version__

    def open(self, subject: Subject, threads: int, variants: bool = True) -> list[Session]:
        """One session. Its first run makes the machine code, or finds it in the cache."""
        return [VccSession(load(subject.binary), subject, threads, subject.fresh_outputs())]

    def unoptimised_outputs(self, subject: Subject) -> list[Array] | None:
        """None: there is no such way."""
        return None
