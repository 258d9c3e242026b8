"""Calls of native code that the main thread can be interrupted in.

Python handles signals in the main thread alone, and only between its own instructions. A short call is made there
directly. A long one, or one of unknown length, is made by another thread while the main thread waits, which a signal's
handler may end by an exception, as Ctrl-C does. Then the call is asked to stop, and waited for, so that nothing writes
to the caller's arrays afterwards. The thread ends with the call: starting one takes a thousandth of what such a call
does, and one that is kept is another that must be told when the interpreter ends, whatever was interrupted.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

#: Seconds. A signal may wait so long for a call that the main thread makes itself.
SHORT = 0.05


def led(call: Callable[[int], int], job: int, stop: Callable[[], None], seconds: float) -> int:
    """The result of `call(job)`, which is likely to take so many seconds.

    If an exception interrupts the main thread here, `stop` is called, which must make the call return soon; then the
    exception goes on.
    """
    if seconds < SHORT or threading.current_thread() is not threading.main_thread():
        return call(job)
    made = _Call(call, job, stop)
    thread = threading.Thread(target=made.run)
    try:
        try:
            thread.start()
        except RuntimeError:
            if thread.ident is not None:
                raise
            made.run()  # the system gives no more threads
        made.over.wait()
    except BaseException:
        made.end()
        raise
    if made.failure is not None:
        raise made.failure
    return made.result


class _Call:
    """A call in another thread. It keeps alive what `stop` belongs to, whoever else has forgotten it."""

    def __init__(self, call: Callable[[int], int], job: int, stop: Callable[[], None]):
        self._call, self._job, self._stop = call, job, stop
        self._decided: dict[str, bool] = {}  # whether the call is made; the first entry stays
        self.over, self.result = threading.Event(), 0
        self.failure: BaseException | None = None

    def run(self) -> None:
        """Make the call, unless it is not wanted any more."""
        if not self._decided.setdefault("made", True):
            return
        try:
            self.result = self._call(self._job)
        except BaseException as failure:
            self.failure = failure
        finally:
            self.over.set()

    def end(self) -> None:
        """Returns when the call is over, or certain never to be made. Further interrupts wait for that, too."""
        wanted = True
        while wanted:
            try:
                self._stop()
                if self._decided.setdefault("made", False):
                    self.over.wait()
                wanted = False
            except KeyboardInterrupt:
                continue
