"""What the processor says of itself, for telling processors apart without LLVM.

LLVM finds a CPU's name and features in these very registers (llvm/lib/TargetParser/Host.cpp), so where they are equal
it makes the same code. The system's own list in /proc/cpuinfo will not do: it lacks what the kernel does not know.
"""

from __future__ import annotations

import ctypes
import struct
from functools import cache
from hashlib import blake2b

from vcc.runtime.native.linked import PAGE, Linked
from vcc.runtime.native.mapping import Mapping

#: void cpuid(u32 leaf, u32 subleaf, u32 out[4]), and u64 xgetbv() of register 0, in machine code.
_CPUID = bytes.fromhex(
    "53"  # push rbx, which belongs to the caller
    "4989d2"  # mov r10, rdx
    "89f8"  # mov eax, edi
    "89f1"  # mov ecx, esi
    "0fa2"  # cpuid
    "418902"  # mov [r10], eax
    "41895a04"  # mov [r10 + 4], ebx
    "41894a08"  # mov [r10 + 8], ecx
    "4189520c"  # mov [r10 + 12], edx
    "5b"  # pop rbx
    "c3"  # ret
)
_XGETBV = bytes.fromhex(
    "31c9"  # xor ecx, ecx
    "0f01d0"  # xgetbv
    "48c1e220"  # shl rdx, 32
    "4809d0"  # or rax, rdx
    "c3"  # ret
)
#: Leaves with the number of subleaves: vendor, model, features, extended states, tracing, keys, AMX, AVX10; and AMD's.
_LEAVES = {0: 1, 1: 1, 7: 2, 0xD: 2, 0x14: 1, 0x19: 1, 0x1D: 2, 0x1E: 2, 0x24: 1}
_EXTENDED = {0x80000000: 1, 0x80000001: 1, 0x80000008: 1, 0x80000021: 1}
_OSXSAVE = 1 << 27


@cache
def processor() -> bytes:
    """A digest that is equal for processors of equal model and features. x86-64 only; see `can_map`.

    Raises VccError (E0121) if no machine code can be mapped.
    """
    image = Linked((_CPUID + _XGETBV).ljust(PAGE, b"\xcc"), PAGE, (), {"cpuid": 0, "xgetbv": len(_CPUID)})
    code = Mapping(image)
    cpuid = ctypes.CFUNCTYPE(None, ctypes.c_uint32, ctypes.c_uint32, ctypes.c_void_p)(code.address("cpuid"))
    xgetbv = ctypes.CFUNCTYPE(ctypes.c_uint64)(code.address("xgetbv"))
    registers = (ctypes.c_uint32 * 4)()

    def ask(leaf: int, subleaf: int) -> tuple[int, ...]:
        cpuid(leaf, subleaf, ctypes.addressof(registers))
        return tuple(registers)

    digest = blake2b(digest_size=16)
    for leaves in (_LEAVES, _EXTENDED):
        most = ask(min(leaves), 0)[0]
        for leaf, subleaves in leaves.items():
            for subleaf in range(subleaves if leaf <= most else 0):
                a, b, c, d = ask(leaf, subleaf)
                if leaf == 1:
                    b = 0  # the number of the core that happens to answer
                    if c & _OSXSAVE:
                        digest.update(struct.pack("<Q", xgetbv()))
                if leaf == 0xD:
                    b = 0  # bytes of the states in use, which a process can change
                digest.update(struct.pack("<6I", leaf, subleaf, a, b, c, d))
    return digest.digest()
