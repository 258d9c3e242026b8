"""One kernel as machine code, and launching it. Whole programs, and keeping machine code, are for program.py."""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache

import numpy as np

from vcc.runtime.diagnostics import error
from vcc.runtime.host.engine import Argument
from vcc.runtime.host.executor import allocate
from vcc.runtime.interpreter.memory import bind_scalars, bind_tensors
from vcc.runtime.isa.host import Launch
from vcc.runtime.isa.kernel import Kernel, TensorParam, meets
from vcc.runtime.native.build import load_texts
from vcc.runtime.native.emit import Cpu
from vcc.runtime.native.llvm import host_cpu
from vcc.runtime.native.scratch import TRAP, Scratch, shared_bytes
from vcc.runtime.native.segments import parallel
from vcc.runtime.native.translate import Translator

Values = Sequence[ctypes.c_void_p | ctypes.c_int64]

__all__ = ["NativeEngine", "NativeKernel", "compile_kernel", "host_cpu", "translate"]


def translate(kernel: Kernel, cpu: Cpu | None = None) -> str:
    """The kernel as LLVM IR. Raises VccError (E0121) naming an instruction that this engine does not have."""
    return Translator(kernel, cpu or host_cpu()).run()


class NativeKernel:
    """A kernel ready to run; may be launched from several threads at once.

    `traps` are the messages that its results stand for, `scratch_bytes` what its on-chip memories take; `parallel` says
    whether its work can be divided, `meets` whether its parts then have to run at the same time.
    """

    def __init__(self, kernel: Kernel, cpu: Cpu):
        self.kernel = kernel
        translator = Translator(kernel, cpu)
        _, self._code = load_texts([translator.run()], cpu)
        self.traps, self.scratch_bytes = translator.e.traps, translator.scratch_bytes
        self.parallel, self.meets = parallel(kernel), meets(kernel)
        self._kinds = [ctypes.c_void_p if isinstance(p, TensorParam) else ctypes.c_int64 for p in kernel.params]
        kind = ctypes.CFUNCTYPE(ctypes.c_int32, *self._kinds, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64)
        self._function = kind(self._code.address("kernel"))
        self._local = threading.local()

    def _run(self, values: Values, part: int, parts: int) -> None:
        """Runs one part in this thread, on its own on-chip memories."""
        if not hasattr(self._local, "memory"):
            self._local.memory = Scratch(self.scratch_bytes)
        self._check(self._function(*values, self._local.memory.address, part, parts))

    def _check(self, trap: int) -> None:
        if trap:
            raise error("E0401", f"{self.kernel.name}: {self.traps[trap - 1]}")

    def _run_together(self, values: Values, parts: int) -> None:
        """Runs all parts at the same time: they meet. The first that traps makes the others leave."""
        shared = allocate(shared_bytes(parts))
        shared.fill(0)
        first = ctypes.c_int64.from_address(shared.ctypes.data + TRAP)
        memories = [Scratch(self.scratch_bytes, shared.ctypes.data) for _ in range(parts)]

        def run(part: int) -> None:
            trap = self._function(*values, memories[part].address, part, parts)
            if trap and not first.value:
                first.value = trap

        with ThreadPoolExecutor(parts) as pool:
            list(pool.map(run, range(parts)))
        self._check(first.value)

    def bind(self, args: Mapping[str, Argument], threads: int = 1) -> Callable[[], None]:
        """Checks arguments; the result runs the kernel on them, as often as called. Raises VccError (E0105, E0401)."""
        scalars = bind_scalars(self.kernel, args)
        arrays = {name: place.data for name, place in bind_tensors(self.kernel, args, scalars).items()}
        modes = {p.name: p.mode for p in self.kernel.params if isinstance(p, TensorParam)}
        written = [arrays[name] for name, mode in modes.items() if mode != "in"]
        overlap = {
            n: a for n, a in arrays.items() if modes[n] == "in" and any(np.may_share_memory(a, w) for w in written)
        }
        arrays |= {name: array.copy() for name, array in overlap.items()}  # the code takes inputs and outputs as apart
        found = [arrays[p.name].ctypes.data if p.name in arrays else scalars[p.name] for p in self.kernel.params]
        values = [kind(value) for kind, value in zip(self._kinds, found, strict=True)]
        parts = threads if self.parallel else 1

        def run() -> None:
            for name, array in overlap.items():
                np.copyto(arrays[name], array)
            if parts == 1:
                self._run(values, 0, 1)
            elif self.meets:
                self._run_together(values, parts)
            else:
                list(_pool(parts).map(lambda part: self._run(values, part, parts), range(parts)))

        return run

    def launch(self, args: Mapping[str, Argument], threads: int = 1) -> None:
        """Runs the kernel once. Arguments as in `vcc.runtime.interpreter.kernel.run_kernel`."""
        self.bind(args, threads)()


def compile_kernel(kernel: Kernel, cpu: Cpu | None = None) -> NativeKernel:
    """Machine code of one kernel. Raises VccError (E0121) as `translate` does."""
    return NativeKernel(kernel, cpu or host_cpu())


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
