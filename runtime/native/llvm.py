"""LLVM. llvmlite is imported here alone: that takes 40 ms, which a program in the cache need not spend."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import llvmlite.binding as llvm

from vcc.runtime.native.emit import Cpu


@cache
def host_cpu() -> Cpu:
    """The CPU this process runs on. What it says must follow from what `cpuid.processor` digests."""
    _start()
    features = llvm.get_host_cpu_features()
    size = 64 if features.get("avx512f") else 32 if features.get("avx2") else 16
    return Cpu(llvm.get_host_cpu_name(), features.flatten(), size, 16 if features.get("sse2") and size < 64 else 32)


@cache
def _start() -> None:
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()


def _optimised(text: str, machine: llvm.TargetMachine, context: llvm.ContextRef) -> llvm.ModuleRef:
    """The module with its variables in registers and its loops tidied up.

    The code is written as it should run, so nothing is inlined, unrolled or vectorised, and what LLVM does at -O1 to a
    function is enough; the loops' passes find more after a first round. -O2 takes half as long again for no speed.
    """
    module = llvm.parse_assembly(text, context)
    options = llvm.create_pipeline_tuning_options(speed_level=1)
    options.loop_vectorization = options.slp_vectorization = options.loop_unrolling = False
    builder = llvm.create_pass_builder(machine, options)
    first = llvm.create_new_function_pass_manager()
    first.add_sroa_pass()
    first.add_instruction_combine_pass()
    first.add_simplify_cfg_pass()
    second = builder.getFunctionPassManager()
    for function in module.functions:
        if not function.is_declaration:
            first.run(function, builder)
            second.run(function, builder)
    return module


def object_code(text: str, cpu: Cpu) -> bytes:
    """LLVM IR as an object file for `link`: position-independent machine code."""
    _start()
    target = llvm.Target.from_default_triple()
    machine = target.create_target_machine(cpu.name, cpu.features, opt=3, reloc="pic", codemodel="small")
    return machine.emit_object(_optimised(text, machine, llvm.create_context()))


class Jitted:
    """Modules loaded by LLVM itself, for systems on which `mapping` does not work; lives as long as this object."""

    def __init__(self, texts: Sequence[str], cpu: Cpu):
        _start()
        machine = llvm.Target.from_default_triple().create_target_machine(cpu.name, cpu.features, opt=3)
        context = llvm.create_context()  # not the global one, which would keep every type for ever
        first, *rest = (_optimised(text, machine, context) for text in texts)
        self._code = llvm.create_mcjit_compiler(first, machine)
        for module in rest:
            self._code.add_module(module)
        self._code.finalize_object()

    def address(self, name: str) -> int:
        """Where a function starts."""
        return self._code.get_function_address(name)
