"""LLVM. llvmlite is imported here alone: that takes 40 ms, which a program in the cache need not spend."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

import llvmlite.binding as llvm
from llvmlite.binding import ffi

from vcc.runtime.native.emit import Cpu
from vcc.runtime.native.level import Level, chosen_level


def host_cpu() -> Cpu:
    """The CPU to make code for: the one this process runs on, or the level of it that VCC_NATIVE_CPU asks for.

    What it says must follow from what `key.cache_key` digests. Raises VccError (E0202) for a level that is none or that
    this CPU cannot run.
    """
    return _cpu(chosen_level())


@cache
def _cpu(level: Level | None) -> Cpu:
    _start()
    name, features = llvm.get_host_cpu_name(), llvm.get_host_cpu_features()
    text = features.flatten()
    if level is not None:
        level.check(features)
        name, features = level.name, dict.fromkeys(level.features, True)
        text = ",".join(f"+{feature}" for feature in level.features)
    size = 64 if features.get("avx512f") else 32 if features.get("avx2") else 16
    return Cpu(name, text, size, 16 if features.get("sse2") and size < 64 else 32)


@cache
def _start() -> None:
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()


def object_codes(texts: Iterable[str], cpu: Cpu, common: Sequence[str] = ()) -> list[bytes]:
    """Modules of LLVM IR as object files for `link`: position-independent machine code.

    A thread for each core compiles them while `texts` goes on to give more. Those of `common`, which come first, are
    the same for many programs, and made once in a process.
    """
    _start()
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if cores == 1:
        return [*(_common_code(text, cpu) for text in common), *(_object_code(text, cpu) for text in texts)]
    pool = ThreadPoolExecutor(cores)
    try:
        jobs = [pool.submit(_common_code, text, cpu) for text in common]
        jobs += [pool.submit(_object_code, text, cpu) for text in texts]
        return [job.result() for job in jobs]
    finally:
        pool.shutdown(cancel_futures=True)  # after an error or Ctrl-C, what has not begun need not be done


def _object_code(text: str, cpu: Cpu) -> bytes:
    try:
        compiler = _spare[cpu].pop()
    except (KeyError, IndexError):
        compiler = _Compiler(cpu, "pic", "small")
    module = compiler.optimised(text, llvm.create_context())
    with ffi.OutputString() as problem:
        buffer = _unlocked("LLVMPY_TargetMachineEmitToMemory")(compiler.machine, module, 1, problem)
        if not buffer:
            raise RuntimeError(str(problem))
    try:
        return ctypes.string_at(ffi.lib.LLVMPY_GetBufferStart(buffer), ffi.lib.LLVMPY_GetBufferSize(buffer))
    finally:
        ffi.lib.LLVMPY_DisposeMemoryBuffer(buffer)
        _spare.setdefault(cpu, []).append(compiler)


@cache
def _common_code(text: str, cpu: Cpu) -> bytes:
    return _object_code(text, cpu)


class _Compiler:
    """LLVM's passes and code generator for one CPU, for one thread at a time.

    The code is written as it should run, so nothing is inlined, unrolled or vectorised, and what LLVM does at -O1 to a
    function is enough; the loops' passes find more after a first round. -O2 takes half as long again for no speed.
    """

    def __init__(self, cpu: Cpu, reloc: str, codemodel: str):
        target = llvm.Target.from_default_triple()
        self.machine = target.create_target_machine(cpu.name, cpu.features, 3, reloc, codemodel)
        options = llvm.create_pipeline_tuning_options(speed_level=1)
        options.loop_vectorization = options.slp_vectorization = options.loop_unrolling = False
        self._builder = llvm.create_pass_builder(self.machine, options)
        first = llvm.create_new_function_pass_manager()
        first.add_sroa_pass()
        first.add_instruction_combine_pass()
        first.add_simplify_cfg_pass()
        self._passes = first, self._builder.getFunctionPassManager()

    def optimised(self, text: str, context: llvm.ContextRef) -> llvm.ModuleRef:
        """The module with its variables in registers and its loops tidied up."""
        module = llvm.parse_assembly(text, context)
        run = _unlocked("LLVMPY_RunNewFunctionPassManager")
        for passes in self._passes:
            for function in module.functions:
                if not function.is_declaration:
                    run(passes, function, self._builder)
        return module


#: Compilers that no thread uses. They are kept: llvmlite does not give all their memory back.
_spare: dict[Cpu, list[_Compiler]] = {}


def _unlocked(name: str) -> Callable[..., Any]:
    """A function of LLVM without the lock that llvmlite holds during every call, so that threads compile at once.

    Threads of LLVM may, if each has a context of its own, as here. The lock is there for users of the global one.
    """
    function = getattr(ffi.lib, name)
    return getattr(function, "_cfn", function)  # should llvmlite have no lock any more, the function itself


class Jitted:
    """Modules loaded by LLVM itself, for systems on which `mapping` does not work; lives as long as this object."""

    def __init__(self, texts: Sequence[str], cpu: Cpu):
        _start()
        compiler = _Compiler(cpu, "default", "jitdefault")
        context = llvm.create_context()  # not the global one, which would keep every type for ever
        first, *rest = (compiler.optimised(text, context) for text in texts)
        self._code = llvm.create_mcjit_compiler(first, compiler.machine)
        for module in rest:
            self._code.add_module(module)
        self._code.finalize_object()

    def address(self, name: str) -> int:
        """Where a function starts."""
        return self._code.get_function_address(name)
