"""ONNX Runtime on the CPU, with denormals and flushing them: some models run several times faster without them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from vcc.compiler.bench.engines.interface import Session, Subject
from vcc.runtime.diagnostics import error

Array = NDArray[Any]

#: Only errors: warnings about a model are not the benchmark's business.
LOG_ERRORS = 3


@dataclass
class OnnxRuntimeSession:
    """An `onnxruntime.InferenceSession`; with `bound`, its inputs and outputs are bound to arrays once."""

    session: Any
    feeds: Mapping[str, Array]
    variant: str
    flushes_denormals: bool
    bound: list[Array] | None = None

    def __post_init__(self) -> None:
        if self.bound is None:
            return
        self._binding = self.session.io_binding()
        for name, array in self.feeds.items():
            self._binding.bind_cpu_input(name, array)
        for output, array in zip(self.session.get_outputs(), self.bound, strict=True):
            self._binding.bind_output(output.name, "cpu", 0, array.dtype, array.shape, array.ctypes.data)

    def run(self) -> list[Array]:
        """As `Session.run`."""
        if self.bound is None:
            return self.session.run(None, self.feeds)
        self.session.run_with_iobinding(self._binding)
        return self.bound

    def outputs(self) -> list[Array]:
        """As `Session.outputs`."""
        return self.run()


class OnnxRuntimeEngine:
    """The CPU execution provider with all its graph optimisations, which are its default."""

    name = "onnxruntime"

    def check(self) -> None:
        """As `Engine.check`."""
        _module()

    def version(self) -> str:
        """The package's version."""
        return str(_module().__version__)

    def open(self, subject: Subject, threads: int, variants: bool = True) -> list[Session]:
        """Two sessions: denormals kept, and flushed to zero; without `variants` the first alone."""
        return [self._session(subject, threads, flush) for flush in ((False, True) if variants else (False,))]

    def unoptimised_outputs(self, subject: Subject) -> list[Array] | None:
        """As `Engine.unoptimised_outputs`."""
        return self._session(subject, 1, False, optimise=False).outputs()

    def _session(self, subject: Subject, threads: int, flush: bool, optimise: bool = True) -> OnnxRuntimeSession:
        onnxruntime = _module()
        options = onnxruntime.SessionOptions()
        options.log_severity_level = LOG_ERRORS
        options.intra_op_num_threads = threads
        if not optimise:
            options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        options.inter_op_num_threads = 1
        options.add_session_config_entry("session.set_denormal_as_zero", str(int(flush)))
        try:
            session = onnxruntime.InferenceSession(subject.onnx_file(), options, providers=["CPUExecutionProvider"])
        except Exception as failure:  # its exceptions have no common base but this
            raise error("E0602", f"onnxruntime cannot load {subject.name}: {failure}") from failure
        variant = "denormals flushed" if flush else "denormals kept"
        return OnnxRuntimeSession(session, subject.feeds, variant, flush, subject.fresh_outputs())


def _module() -> Any:
    try:
        import onnxruntime
    except ImportError:
        raise error("E0601", "onnxruntime is not installed", help="pip install onnxruntime") from None
    return onnxruntime
