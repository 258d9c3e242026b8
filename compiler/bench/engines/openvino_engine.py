"""OpenVINO on the CPU, in f32 and for latency, with denormals and flushing them."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vcc.compiler.bench.engines.interface import Session, Subject
from vcc.runtime.diagnostics import error

Array = NDArray[Any]


@dataclass
class OpenVinoSession:
    """An inference request whose input tensors share the arrays' memory."""

    request: Any
    count: int
    variant: str
    flushes_denormals: bool = False  # it sets the processor's switch itself, in all threads that compute

    def run(self) -> object:
        """As `Session.run`."""
        self.request.infer()
        return self.request

    def outputs(self) -> list[Array]:
        """As `Session.outputs`."""
        self.run()
        return [np.array(self.request.get_output_tensor(i).data) for i in range(self.count)]


class OpenVinoEngine:
    """The CPU plugin. Reduced precision, its default on CPUs with bf16, is turned off: the others compute in f32."""

    name = "openvino"

    def check(self) -> None:
        """As `Engine.check`."""
        _module()

    def version(self) -> str:
        """The package's version."""
        return str(_module().__version__).split("-")[0]

    def open(self, subject: Subject, threads: int, variants: bool = True) -> list[Session]:
        """Two sessions: denormals kept, and flushed to zero; without `variants` the first alone."""
        return [_session(subject, threads, flush) for flush in ((False, True) if variants else (False,))]

    def unoptimised_outputs(self, subject: Subject) -> list[Array] | None:
        """None: there is no such way."""
        return None


def _session(subject: Subject, threads: int, flush: bool) -> OpenVinoSession:
    openvino = _module()
    core = openvino.Core()
    config = {
        "PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": threads, "NUM_STREAMS": 1,
        "INFERENCE_PRECISION_HINT": "f32", "CPU_DENORMALS_OPTIMIZATION": flush,
    }  # fmt: skip
    try:
        model = core.read_model(subject.onnx_file())
        model.reshape({name: list(array.shape) for name, array in subject.feeds.items()})
        request = core.compile_model(model, "CPU", config).create_infer_request()
        for name, array in subject.feeds.items():
            request.set_tensor(name, openvino.Tensor(np.ascontiguousarray(array), shared_memory=True))
    except Exception as failure:  # its exceptions have no common base but this
        reason = str(failure).strip().splitlines()
        raise error("E0602", f"openvino cannot load {subject.name}: {reason[-1] if reason else failure!r}") from failure
    return OpenVinoSession(request, len(model.outputs), "denormals flushed" if flush else "denormals kept")


def _module() -> Any:
    try:
        return import_module("openvino")
    except ImportError:
        raise error("E0601", "openvino is not installed", help="pip install 'vcc-npu[peers]'") from None
