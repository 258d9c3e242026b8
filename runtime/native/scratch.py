"""The memory of a run's threads: what each has for itself, and the words that they share.

A thread has on-chip memories, and before them the word that asks its code to stop and the address of the shared words.
Native code looks at the stop word between launches, between the iterations of a long kernel's forall and while it waits
for other threads, and leaves at once if it is set. What it has written by then is of no use.
"""

from __future__ import annotations

import ctypes

from vcc.runtime.host.executor import ALIGNMENT, allocate

#: Where the stop word and the address of the shared words are, in bytes from where the on-chip memories begin.
STOP_WORD, SHARED_WORD = -ALIGNMENT, 8 - ALIGNMENT
#: What a kernel that was stopped gives for a trap.
STOPPED = "the run was interrupted"

#: Shared words: pieces of work that are done (claims.py) and a trap, threads that sleep; threads that arrived at a
#: meeting, meetings so far (meeting.py). From CLAIMS on, a cache line for each thread says what is taken of its work.
DONE, TRAP, SLEEPERS, ARRIVED, MEETINGS, CLAIMS = 0, 8, 64, 128, 192, 256
LINE = 64


def shared_bytes(threads: int) -> int:
    """What the shared words of so many threads take."""
    return CLAIMS + LINE * threads


class Scratch:
    """`address` is that of `nbytes` uninitialised bytes, aligned as `allocate` does.

    `shared` is the address of zeroed shared words; a kernel that does not meet needs none.
    """

    def __init__(self, nbytes: int, shared: int = 0):
        self._memory = allocate(ALIGNMENT + nbytes)
        self.address = self._memory.ctypes.data + ALIGNMENT
        self._word = ctypes.c_int64.from_address(self.address + STOP_WORD)
        self._word.value = 0
        ctypes.c_int64.from_address(self.address + SHARED_WORD).value = shared

    def stop(self) -> None:
        """Ask the code that uses this memory to leave."""
        self._word.value = 1
