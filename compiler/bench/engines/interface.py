"""What an engine shows to the benchmark: sessions of a subject, which are run and timed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from vcc.runtime.host.executor import allocate

if TYPE_CHECKING:
    from onnx import ModelProto

    from vcc.runtime.binary.image import Image

Array = NDArray[Any]


@dataclass(frozen=True)
class Subject:
    """What is timed: a model with its inputs, and the image that vcc made of it.

    `model` is a path or a message; it is None if only a .vbin is known. With `bound`, engines run on inputs and
    outputs that are bound beforehand and lie on cache lines; otherwise each run makes fresh outputs.
    """

    name: str
    image: Image
    feeds: Mapping[str, Array]
    model: Path | ModelProto | None = None
    bound: bool = False

    def __post_init__(self) -> None:
        if self.bound:
            object.__setattr__(self, "feeds", {name: _on_lines(array) for name, array in self.feeds.items()})

    def fresh_outputs(self) -> list[Array] | None:
        """Arrays for the outputs where they are bound, on cache lines; None where each run makes its own."""
        if not self.bound:
            return None
        return [_on_lines(np.zeros(spec.shape, spec.dtype.numpy)) for spec in self.image.host.outputs]

    @cached_property
    def proto(self) -> ModelProto:
        """The model as every engine gets it: initialisers are constants and no inputs."""
        import onnx

        assert self.model is not None
        model = onnx.load(self.model) if isinstance(self.model, Path) else self.model
        constants = {tensor.name for tensor in model.graph.initializer}
        inputs = [value for value in model.graph.input if value.name not in constants]
        del model.graph.input[:]
        model.graph.input.extend(inputs)
        return model


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
    """An engine. `open` raises VccError (E0601) if it is not installed, (E0602) if it cannot take the model."""

    @property
    def name(self) -> str:
        """As on the command line."""
        ...

    def version(self) -> str:
        """The version of its package."""
        ...

    def open(self, subject: Subject, threads: int) -> list[Session]:
        """The subject's sessions; more than one if the engine has settings of which the faster shall count."""
        ...
