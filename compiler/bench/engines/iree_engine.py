"""IREE: its ONNX importer, compiler (llvm-cpu) and runtime, which for one thread does without its task system."""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vcc.compiler.bench.engines.interface import Session, Subject
from vcc.runtime.diagnostics import VccError, error

Array = NDArray[Any]

#: Older operator sets are converted to this one, as the importer wants.
OPSET = "17"


@dataclass
class IreeSession:
    """A compiled module's function; inputs lie in its device's buffers, outputs are left there."""

    function: Any
    feeds: list[Any]
    keep: Any  # the module lives in a mapped file and its context
    variant: str = "denormals kept"
    flushes_denormals: bool = False

    def run(self) -> object:
        """As `Session.run`."""
        return self.function(*self.feeds)

    def outputs(self) -> list[Array]:
        """As `Session.outputs`."""
        found = self.run()
        results: Sequence[Any] = found if isinstance(found, Sequence) else [found]
        return [np.array(each.to_host()) for each in results]


class IreeEngine:
    """The CPU backend at its highest level of optimisation."""

    name = "iree"

    def check(self) -> None:
        """As `Engine.check`."""
        _modules()

    def version(self) -> str:
        """The compiler package's version."""
        return version("iree-base-compiler")

    def open(self, subject: Subject, threads: int, variants: bool = True) -> list[Session]:
        """One session."""
        compiler, runtime = _modules()
        with tempfile.TemporaryDirectory(prefix="vcc-bench-") as folder:
            text, binary = Path(folder) / "model.mlir", Path(folder) / "model.vmfb"
            _import(subject, text)
            try:
                compiler.compile_file(
                    str(text), output_file=str(binary), input_type="onnx", target_backends=["llvm-cpu"],
                    extra_args=["--iree-llvmcpu-target-cpu=host", "--iree-opt-level=O3"],
                )  # fmt: skip
            except Exception as failure:
                raise _refused(subject, str(failure)) from failure
            image = binary.read_bytes()
        try:
            device = _device(runtime, threads)
            context = runtime.SystemContext(config=runtime.Config(device=device))
            module = runtime.VmModule.copy_buffer(context.instance, image)
            context.add_vm_module(module)
            names: list[str] = [n for n in module.function_names if not n.startswith("__") and not n.endswith("$async")]
            feeds = [runtime.asdevicearray(device, np.ascontiguousarray(array)) for array in subject.feeds.values()]
            return [IreeSession(context.modules[module.name][names[0]], feeds, context)]
        except Exception as failure:
            raise _refused(subject, str(failure)) from failure

    def unoptimised_outputs(self, subject: Subject) -> list[Array] | None:
        """None: there is no such way."""
        return None


def _device(runtime: Any, threads: int) -> Any:
    if threads == 1:
        return runtime.get_device("local-sync", cache=False)
    runtime.flags.parse_flags(f"--task_topology_group_count={threads}")
    return runtime.get_device("local-task", cache=False)


def _import(subject: Subject, text: Path) -> None:
    command = [sys.executable, "-m", "iree.compiler.tools.import_onnx", subject.onnx_file(), "-o", str(text)]
    done = subprocess.run([*command, "--opset-version", OPSET], capture_output=True, text=True, check=False)
    if done.returncode:
        raise _refused(subject, done.stderr)


def _refused(subject: Subject, log: str) -> VccError:
    """E0602 with the line of the log that tells most: the first that speaks of an error, or the last."""
    lines = [line.strip() for line in log.splitlines() if line.strip()] or ["no reason given"]
    reason = next((line for line in lines if "error:" in line), lines[-1])
    reason = re.sub(r"\S*/(model\.\w+)", r"\1", reason)  # without the folder, which is gone
    return error("E0602", f"iree cannot take {subject.name}: {reason[-200:]}")


def _modules() -> tuple[Any, Any]:
    try:
        return import_module("iree.compiler.tools"), import_module("iree.runtime")
    except ImportError:
        raise error("E0601", "iree is not installed", help="pip install 'vcc-npu[peers]'") from None
