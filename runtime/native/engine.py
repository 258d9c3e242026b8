"""Machine code from kernels through LLVM, and launching it."""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

import llvmlite.binding as llvm
import numpy as np
from numpy.typing import NDArray

from vcc.runtime.diagnostics import error
from vcc.runtime.host.engine import Argument
from vcc.runtime.isa.host import Launch
from vcc.runtime.isa.kernel import Forall, Kernel, ScalarParam, TensorParam
from vcc.runtime.native.frame import Cpu
from vcc.runtime.native.translate import ALIGNMENT, Translator


@cache
def host_cpu() -> Cpu:
    """The CPU this process runs on."""
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    features = llvm.get_host_cpu_features()
    wide = features.get("avx512f", False)
    size = 64 if wide else 32 if features.get("avx2", False) else 16
    return Cpu(llvm.get_host_cpu_name(), features.flatten(), size, 32 if wide or not features.get("sse2", False) else 16)


def translate(kernel: Kernel, cpu: Cpu | None = None) -> str:
    """The kernel as LLVM IR. Raises VccError (E0121) naming an instruction that this engine does not have."""
    return Translator(kernel, cpu or host_cpu()).run()


def compile_kernel(kernel: Kernel, cpu: Cpu | None = None) -> NativeKernel:
    """Machine code of one kernel. Raises VccError (E0121) as `translate` does."""
    return NativeKernel(kernel, cpu or host_cpu())


class NativeKernel:
    """A kernel ready to run; may be launched from several threads at once."""

    def __init__(self, kernel: Kernel, cpu: Cpu):
        self.kernel = kernel
        translator = Translator(kernel, cpu)
        module = llvm.parse_assembly(translator.run())
        self._traps, self._bytes = translator.e.traps, translator.scratch_bytes
        machine = llvm.Target.from_default_triple().create_target_machine(cpu=cpu.name, features=cpu.features, opt=3)
        options = llvm.create_pipeline_tuning_options(speed_level=2)
        options.loop_vectorization = options.slp_vectorization = options.loop_unrolling = False
        builder = llvm.create_pass_builder(machine, options)
        builder.getModulePassManager().run(module, builder)
        self._module = llvm.create_mcjit_compiler(module, machine)
        self._module.finalize_object()
        kinds = [ctypes.c_void_p if isinstance(p, TensorParam) else ctypes.c_int64 for p in kernel.params]
        kind = ctypes.CFUNCTYPE(ctypes.c_int32, *kinds, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64)
        self._function = kind(self._module.get_function_address("kernel"))
        self._local = threading.local()

    def _run(self, values: list[int], part: int, parts: int) -> int:
        """Runs one part in this thread, on its own on-chip memories."""
        if not hasattr(self._local, "scratch"):
            self._local.memory = np.zeros(self._bytes + ALIGNMENT, np.uint8)
            self._local.scratch = -(-self._local.memory.ctypes.data // ALIGNMENT) * ALIGNMENT
        return self._function(*values, self._local.scratch, part, parts)

    def bind(self, args: Mapping[str, Argument], threads: int = 1) -> Callable[[], None]:
        """Checks arguments; the result runs the kernel on them, as often as called. Raises VccError (E0105, E0401)."""
        params = self.kernel.params
        scalars = {p.name: int(args[p.name]) for p in params if isinstance(p, ScalarParam)}
        arrays = {p.name: args[p.name] for p in params if isinstance(p, TensorParam)}
        for p in params:
            if isinstance(p, ScalarParam) and not p.low <= scalars[p.name] <= p.high:
                raise error("E0401", f"{self.kernel.name}: {p.name} = {scalars[p.name]} is not in {p.low}..{p.high}")
        copies: list[tuple[NDArray[Any], NDArray[Any]]] = []  # of inputs that outputs overlap: the code takes them as apart
        for p in params:
            if isinstance(p, TensorParam):
                array, extent = arrays[p.name], p.extent.evaluate(scalars)
                fits = isinstance(array, np.ndarray) and array.dtype == p.dtype.numpy and array.size >= extent
                if not fits or not array.flags.c_contiguous:
                    raise error("E0105", f"{self.kernel.name}: {p.name} must be a contiguous array of {extent} {p.dtype}")
                written = [arrays[q.name] for q in params if isinstance(q, TensorParam) and q.mode != "in"]
                if p.mode == "in" and any(np.may_share_memory(array, other) for other in written):
                    arrays[p.name] = array.copy()
                    copies.append((arrays[p.name], array))
        values = [scalars[p.name] if isinstance(p, ScalarParam) else arrays[p.name].ctypes.data for p in params]
        parts = threads if any(isinstance(s, Forall) for s in self.kernel.body) else 1

        def run() -> None:
            for copy, original in copies:
                np.copyto(copy, original)
            chunks = [self._run(values, 0, 1)] if parts == 1 else _pool(parts).map(self._run, [values] * parts, range(parts), [parts] * parts)
            for trap in chunks:
                if trap:
                    raise error("E0401", f"{self.kernel.name}: {self._traps[trap - 1]}")

        run.arrays = arrays  # which live as long
        return run

    def launch(self, args: Mapping[str, Argument], threads: int = 1) -> None:
        """Runs the kernel once. Arguments as in `bind`."""
        self.bind(args, threads)()


@cache
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads)


class NativeEngine:
    """Runs a host program's launches as machine code, which is made when a kernel is first launched."""

    name = "native"
    poisons = False

    def __init__(self, threads: int = 1):
        self._threads = threads
        self._kernels: dict[str, NativeKernel] = {}

    def launch(self, kernel: Kernel, args: Sequence[Argument], launch: Launch, step: int) -> None:
        """As in `vcc.runtime.host.engine.Engine`."""
        if kernel.name not in self._kernels:
            self._kernels[kernel.name] = compile_kernel(kernel)
        values = {param.name: arg for param, arg in zip(kernel.params, args, strict=True)}
        self._kernels[kernel.name].launch(values, self._threads)
