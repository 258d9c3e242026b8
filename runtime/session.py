"""A compiled model, ready to run: `load` a .vbin, `run` it, `save` it."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from vcc.runtime.binary.image import Image
from vcc.runtime.diagnostics import error
from vcc.runtime.host.engine import Engine
from vcc.runtime.host.executor import Executor
from vcc.runtime.host.feeds import Feeds
from vcc.runtime.isa.host import TensorSpec

if TYPE_CHECKING:
    from vcc.runtime.interpreter.stats import Stats

Array = NDArray[Any]


def _interpreter(image: Image, threads: int | None) -> Engine:
    from vcc.runtime.interpreter.engine import InterpreterEngine

    return InterpreterEngine(image)


def _native(image: Image, threads: int | None) -> Engine:
    from vcc.runtime.native.engine import NativeEngine

    return NativeEngine(threads or os.cpu_count() or 1)


#: Engines by name: each makes an engine for one image, which uses at most so many threads (None: its own choice).
ENGINES: dict[str, Callable[[Image, int | None], Engine]] = {"interpreter": _interpreter, "native": _native}
DEFAULT_ENGINE = "interpreter"


def load(path: str | Path) -> Program:
    """The program in a .vbin file. Raises VccError: E0204 if it cannot be read, E0302 or E0303 if it is not sound."""
    from vcc.runtime.binary.reader import load as load_image
    from vcc.runtime.isa.verifier import verify_image

    image = load_image(path)
    verify_image(image)
    return Program(image)


class Program:
    """A compiled model. `image` must be verified, as `load` and the compiler do."""

    def __init__(self, image: Image):
        self.image = image
        self._executor = Executor(image)
        self._engines: dict[tuple[str, int | None], Engine] = {}

    @property
    def inputs(self) -> tuple[TensorSpec, ...]:
        """The model's inputs: name, dtype and shape of each."""
        return self.image.host.inputs

    @property
    def outputs(self) -> tuple[TensorSpec, ...]:
        """The model's outputs: name, dtype and shape of each."""
        return self.image.host.outputs

    def run(
        self,
        feeds: Feeds,
        engine: str | None = None,
        threads: int | None = None,
        out: Sequence[Array] | None = None,
    ) -> list[Array]:
        """The outputs for a mapping from input names to arrays, or a sequence of arrays in the model's order.

        Inputs are never modified; outputs are fresh arrays unless `out` gives some of the right shapes and dtypes.
        Raises VccError: E0105 for unsuitable arrays, E0202 for an unknown engine, E0401 and E0402 for traps.
        """
        return self._executor.run(feeds, self._engine(engine or DEFAULT_ENGINE, threads), out)

    def stats(self, feeds: Feeds) -> Stats:
        """What a run on the interpreter does: instructions, multiply-adds, elements and bytes."""
        from vcc.runtime.interpreter.engine import InterpreterEngine
        from vcc.runtime.interpreter.stats import Stats

        engine = InterpreterEngine(self.image)
        engine.stats = Stats()
        self._executor.run(feeds, engine)
        return engine.stats

    def observe(self, feeds: Feeds) -> tuple[list[Array], dict[str, Array]]:
        """The outputs of a run on the interpreter, and every ONNX value that it computes observably, by name."""
        from vcc.runtime.interpreter.engine import InterpreterEngine
        from vcc.runtime.interpreter.taps import TapCollector

        engine, taps = InterpreterEngine(self.image), TapCollector(self.image)
        engine.observer_of = taps.observer
        outputs = self._executor.run(feeds, engine, observer=taps.host)
        return outputs, taps.values()

    def save(self, path: str | Path) -> None:
        """Write the program as a .vbin file. Raises VccError (E0203) if it cannot."""
        from vcc.runtime.binary.writer import save

        save(self.image, path)

    def _engine(self, name: str, threads: int | None) -> Engine:
        if name not in ENGINES:
            raise error("E0202", f"unknown engine '{name}'; there are: {', '.join(sorted(ENGINES))}")
        key = (name, threads)
        if key not in self._engines:
            self._engines[key] = ENGINES[name](self.image, threads)
        return self._engines[key]
