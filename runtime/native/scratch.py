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

LINE = 64
#: Shared words: a trap; threads that sleep, and how often they were woken; threads that arrived at a meeting, meetings
#: so far (meeting.py). From CLAIMS on, each thread has CLAIM_BYTES: a cache line that says what is taken of its work
#: and, at HOLDS, whether it has pieces that it has not told of; at DONE another one says how many it has made
#: (claims.py).
TRAP, SLEEPERS, ROUSED, ARRIVED, MEETINGS, CLAIMS = 0, LINE, LINE + 8, 2 * LINE, 3 * LINE, 4 * LINE
HOLDS, DONE, CLAIM_BYTES = 8, LINE, 2 * LINE


def shared_bytes(threads: int) -> int:
    """What the shared words of so many threads take."""
    return CLAIMS + CLAIM_BYTES * threads


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
