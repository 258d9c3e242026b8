"""What an engine shows to the benchmark: sessions of a subject, which are run and timed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from vcc.runtime.host.executor import allocate
from vcc.runtime.isa.host import TensorSpec

Array = NDArray[Any]


@dataclass(frozen=True)
class Subject:
    """What is timed, as files: `binary` is the .vbin, `model` the ONNX model, None if only the .vbin is known.

    In the model, initialisers are constants and not inputs as well. `feeds` are the inputs by name, in the model's
    order. With `outputs`, engines run on inputs and outputs that are bound beforehand and lie on cache lines, where
    their interface allows it; otherwise each run makes fresh outputs.
    """

    name: str
    binary: Path
    feeds: Mapping[str, Array]
    model: Path | None = None
    outputs: Sequence[TensorSpec] | None = None

    def __post_init__(self) -> None:
        if self.outputs is not None:
            object.__setattr__(self, "feeds", {name: _on_lines(array) for name, array in self.feeds.items()})

    def fresh_outputs(self) -> list[Array] | None:
        """Arrays for outputs that are bound; None where each run makes its own."""
        if self.outputs is None:
            return None
        return [_on_lines(np.zeros(spec.shape, spec.dtype.numpy)) for spec in self.outputs]

    def onnx_file(self) -> str:
        """The model's path. Only for engines that take ONNX models, which are not asked where there is none."""
        assert self.model is not None
        return str(self.model)


def _on_lines(array: Array) -> Array:
    """A copy that starts on a cache line, as engines' own memory does."""
    copy = allocate(array.nbytes).view(array.dtype).reshape(array.shape)
    copy[...] = array
    return copy


class Session(Protocol):
    """A subject loaded into an engine for a number of threads."""

    @property
    def variant(self) -> str:
        """How this session differs from others of its engine on the same subject; may be empty."""
        ...

    @property
    def flushes_denormals(self) -> bool:
        """Whether runs must be made with the calling thread's processor flushing denormals to zero."""
        ...

    def run(self) -> object:
        """One run; what is timed."""
        ...

    def outputs(self) -> list[Array]:
        """The outputs of one more run, in the model's order; another run may overwrite them."""
        ...


class Engine(Protocol):
    """An engine. Raises VccError: E0601 where its package is not installed, E0602 if it cannot take the model."""

    @property
    def name(self) -> str:
        """As on the command line."""
        ...

    def check(self) -> None:
        """Nothing if the engine is installed."""
        ...

    def version(self) -> str:
        """The version of its package."""
        ...

    def open(self, subject: Subject, threads: int, variants: bool = True) -> list[Session]:
        """The subject's sessions: with `variants`, one for each setting of which the fastest shall count."""
        ...

    def unoptimised_outputs(self, subject: Subject) -> list[Array] | None:
        """The outputs without the engine's optimisations of graphs; None where it has no such way."""
        ...
