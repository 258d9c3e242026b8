"""A compiled model, ready to run: `load` a .vbin, `run` it, `save` it."""

from __future__ import annotations

import os
import threading
import warnings
from collections.abc import Callable, Sequence
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from vcc.runtime.binary.image import Image
from vcc.runtime.diagnostics import VccError, error
from vcc.runtime.host.engine import Engine
from vcc.runtime.host.executor import Executor
from vcc.runtime.host.feeds import Feeds
from vcc.runtime.isa.host import TensorSpec

if TYPE_CHECKING:
    from vcc.runtime.binary.reader import Binary
    from vcc.runtime.interpreter.stats import Stats
    from vcc.runtime.native.code import ProgramCode
    from vcc.runtime.native.program import NativeProgram

Array = NDArray[Any]


#: The engines: native code, and the interpreter, which is the meaning of a program.
ENGINES = ("native", "interpreter")
#: More threads than any computer that this was tried on has processors.
MOST_THREADS = 1024


def load(path: str | Path) -> Program:
    """The program in a .vbin file. Raises VccError: E0204 if it cannot be read, E0302 or E0303 if it is not sound.

    A program whose machine code is in the user's cache has passed the verifier before, and is not verified again.
    """
    from vcc.runtime.binary.reader import open_binary

    return program_of(open_binary(path))


def loads(data: bytes) -> Program:
    """The program in the bytes of a .vbin. Raises VccError: E0302 or E0303 if it is not sound."""
    import numpy as np

    from vcc.runtime.binary.reader import Binary

    return program_of(Binary(np.frombuffer(data, np.uint8), "the bytes"))


def program_of(binary: Binary) -> Program:
    """The program of a .vbin. Raises VccError: E0302 or E0303 if it is not sound."""
    from vcc.runtime.native.start import cached_code

    code = cached_code(binary.digest)
    if code is not None and code.facts.verified:
        return Program(binary, code)
    from vcc.runtime.isa.verifier import verify_image

    image = binary.image()
    verify_image(image)
    return Program(image)


class Program:
    """A compiled model. `source` must be verified, as `load` and the compiler do.

    With its machine code, `code`, that may be a .vbin, whose kernels are decoded when they are asked for.
    Any number of threads may run one program at once: each run has its own memory. A forked child may run it too; a
    pickle holds the bytes of the .vbin.
    """

    def __init__(self, source: Image | Binary, code: ProgramCode | None = None):
        if isinstance(source, Image):
            self._outline, self._decode = source, lambda: source
        else:
            assert code is not None
            self._outline, self._decode = source.outline(code.facts.kernels), cache(source.image)
        self._interpreter: Engine | None = None
        self._making, self._interpreting = threading.RLock(), threading.Lock()
        self._code = code  # shared by the native programs for any number of threads
        self._native: dict[int, NativeProgram] = {}
        self._default = ""
        self._usual: NativeProgram | None = None  # what runs where nothing else is asked for

    @property
    def image(self) -> Image:
        """The program as data: kernels, host program, constants, names."""
        return self._decode()

    @cached_property
    def _executor(self) -> Executor:
        return Executor(self.image)

    @property
    def inputs(self) -> tuple[TensorSpec, ...]:
        """The model's inputs: name, dtype and shape of each."""
        return self._outline.host.inputs

    @property
    def outputs(self) -> tuple[TensorSpec, ...]:
        """The model's outputs: name, dtype and shape of each."""
        return self._outline.host.outputs

    def run(
        self,
        feeds: Feeds,
        engine: str | None = None,
        threads: int | None = None,
        out: Sequence[Array] | None = None,
    ) -> list[Array]:
        """The outputs for a mapping from input names to arrays, or a sequence of arrays in the model's order.

        Inputs are never modified. Outputs are fresh arrays, which no later run touches, unless `out` gives contiguous
        ones of the right shapes and dtypes, apart from each other; they may share memory with inputs, which are then
        copied first. `threads` (native engine) is at most the number of CPUs by default, as it was at the first run.
        Ctrl-C ends a run soon and leaves the program usable.
        Raises VccError: E0105 for unsuitable arrays, E0202 for an unknown engine or what is no number of threads,
        E0401 and E0402 for traps.
        """
        if self._usual is not None and engine is None and threads is None:
            return self._usual.run(feeds, out)
        if threads is not None:
            if threads not in range(1, MOST_THREADS + 1):
                raise error("E0202", f"threads is {threads!r}: a number from 1 to {MOST_THREADS} is expected")
            if engine == "native" and threads in self._native:
                return self._native[threads].run(feeds, out)
        chosen = engine or self.engine
        if chosen == "native":
            program = self._natively(int(threads or usable_cpus()))
            self._usual = self._usual if threads or engine else program
            return program.run(feeds, out)
        if chosen != "interpreter":
            raise error("E0202", f"unknown engine '{engine}'; there are: {', '.join(sorted(ENGINES))}")
        with self._interpreting:  # it keeps a kernel's memories from launch to launch
            if self._interpreter is None:
                from vcc.runtime.interpreter.engine import InterpreterEngine

                self._interpreter = InterpreterEngine(self.image)
            return self._executor.run(feeds, self._interpreter, out)

    @property
    def engine(self) -> str:
        """The engine that `run` uses if none is asked for: native, or where that cannot be, the interpreter.

        Warns once, saying why, if it is the interpreter. Compiles the kernels.
        """
        if not self._default:
            try:
                self._natively(usable_cpus())
                self._default = "native"
            except (ImportError, VccError) as failure:
                if isinstance(failure, VccError) and failure.diagnostics[0].code != "E0121":
                    raise
                warnings.warn(f"vcc runs this on the interpreter, which is slow: {failure}", stacklevel=3)
                self._default = "interpreter"
        return self._default

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

    def __reduce__(self) -> tuple[Callable[[bytes], Program], tuple[bytes]]:
        from vcc.runtime.binary.writer import write_image

        return loads, (write_image(self.image),)

    def _natively(self, threads: int) -> NativeProgram:
        from vcc.runtime.native.program import NativeProgram
        from vcc.runtime.native.start import program_code

        if threads in self._native:
            return self._native[threads]
        with self._making:
            if self._code is None:
                self._code = program_code(self.image, verified=True)
            if threads not in self._native:
                self._native[threads] = NativeProgram(self._outline, threads, self._code)
            return self._native[threads]


def usable_cpus() -> int:
    """The CPUs that this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
