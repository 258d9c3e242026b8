"""What an engine offers to the host program's executor."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

from numpy.typing import NDArray

from vcc.runtime.isa.host import Launch

if TYPE_CHECKING:
    from vcc.runtime.isa.kernel import Kernel

Argument = NDArray[Any] | int


class Engine(Protocol):
    """Runs kernels. One engine serves one program, in which a kernel's name identifies it."""

    @property
    def name(self) -> str:
        """The engine's public name."""
        ...

    @property
    def poisons(self) -> bool:
        """Whether the executor should fill fresh memory with garbage, so that reading it shows."""
        ...

    def launch(self, kernel: Kernel, args: Sequence[Argument], launch: Launch, step: int) -> None:
        """Run one launch. `args` follow the kernel's parameters: integers, and flat arrays of exactly their extent.

        `step` is the launch's number in the host program. Raises VccError (E0401, E0402) where the kernel traps.
        """
        ...


class HostObserver(Protocol):
    """Told of every observable value that a host call computes."""

    def __call__(self, value: int, array: NDArray[Any], /) -> None: ...
