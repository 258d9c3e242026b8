"""Runs a host program, whatever the engine: binds tensors to memory and steps through launches and host calls."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vcc.runtime.binary.image import Image
from vcc.runtime.diagnostics import error
from vcc.runtime.host.engine import Argument, Engine, HostObserver
from vcc.runtime.host.feeds import Feeds, bind_inputs, bind_outputs
from vcc.runtime.host.reference import HostOperator
from vcc.runtime.isa.dtypes import DType
from vcc.runtime.isa.host import HostCall, HostTensor, Launch, Ref, Space

if TYPE_CHECKING:
    from vcc.runtime.isa.kernel import Kernel

Array = NDArray[Any]
ALIGNMENT = 64
GARBAGE = 0xFF  # NaN in every float type


class Executor:
    """Runs one image's host program. Runs may overlap in time: each has its own memory."""

    def __init__(self, image: Image):
        self._image = image
        self._kernels = {kernel.name: kernel for kernel in image.kernels}
        self._calls = HostCalls(image.nodes)
        self._spare: list[NDArray[np.uint8]] = []  # arenas that no run uses: fresh pages are dear

    def run(
        self,
        feeds: Feeds,
        engine: Engine,
        out: Sequence[Array] | None = None,
        observer: HostObserver | None = None,
    ) -> list[Array]:
        """The model's outputs, in order. Inputs are not modified; outputs are fresh unless `out` gives the arrays.

        `observer` is told of the results of host calls. Raises VccError (E0105) for unsuitable inputs, and as the
        engine traps.
        """
        host = self._image.host
        inputs = bind_inputs(host.inputs, feeds)
        outputs = bind_outputs(host.outputs, out)
        if out is not None:  # kernels take inputs and outputs to be apart
            inputs = [a.copy() if any(np.may_share_memory(a, o) for o in outputs) else a for a in inputs]
        try:
            arena = self._spare.pop()
        except IndexError:  # more runs at a time than ever before
            arena = allocate(host.arena_bytes)
        if engine.poisons:
            for memory in (arena, *map(_bytes, outputs)):
                memory.fill(GARBAGE)
        places = Memory(inputs, [constant.data for constant in self._image.constants], outputs, arena)
        for number, step in enumerate(host.steps):
            if isinstance(step, Launch):
                kernel = self._kernels[step.kernel]
                engine.launch(kernel, places.arguments(kernel, step), step, number)
            else:
                self._calls.call(number, step, places, observer)
        self._spare.append(arena)
        return outputs


class HostCalls:
    """Makes the host calls of one program, whose ONNX nodes are `nodes`."""

    def __init__(self, nodes: Sequence[str]):
        self._nodes = nodes
        self._operators: dict[int, HostOperator] = {}

    def call(self, number: int, call: HostCall, memory: Memory, observer: HostObserver | None = None) -> None:
        """One host call, step `number` of the program."""
        if number not in self._operators:
            self._operators[number] = HostOperator(call, ", ".join(self._nodes[i] for i in call.sources))
        operands = [None if tensor.ref is None else memory.tensor(tensor).copy() for tensor in call.inputs]
        wanted = [(i, tensor) for i, tensor in enumerate(call.outputs) if tensor.ref is not None]
        if all(0 in tensor.shape for _, tensor in wanted):  # some reference implementations divide by their size
            results = [np.empty(tensor.shape, tensor.dtype.numpy) for _, tensor in wanted]
        else:
            results = self._operators[number].run(operands)
        for (position, tensor), result in zip(wanted, results, strict=True):
            memory.tensor(tensor)[...] = result
            value = call.values[position] if position < len(call.values) else -1
            if observer is not None and value >= 0:
                observer(value, result)


class Memory:
    """The bytes behind every Ref of one run."""

    def __init__(
        self, inputs: Sequence[Array], constants: Sequence[Array], outputs: Sequence[Array], arena: NDArray[np.uint8]
    ):
        self._spaces = {
            Space.INPUT: [_read_only(array) for array in inputs],
            Space.CONST: [_read_only(array) for array in constants],
            Space.OUTPUT: [_bytes(array) for array in outputs],
            Space.ARENA: [arena],
        }

    def flat(self, ref: Ref, dtype: DType, extent: int, what: str) -> Array:
        """`extent` elements from the Ref on. Raises VccError (E0303) if they are not all there."""
        arrays = self._spaces[ref.space]
        nbytes = extent * dtype.size
        if ref.index >= len(arrays) or ref.offset < 0 or ref.offset + nbytes > arrays[ref.index].size:
            place = f"{ref.space} {ref.index} at byte {ref.offset}"
            raise error("E0303", f"{what} has {extent} elements of {dtype}, more than there are in {place}")
        return arrays[ref.index][ref.offset : ref.offset + nbytes].view(dtype.numpy)

    def tensor(self, tensor: HostTensor) -> Array:
        """An operand or result of a host call, in its shape."""
        assert tensor.ref is not None
        extent = int(np.prod(tensor.shape, dtype=object))
        return self.flat(tensor.ref, tensor.dtype, extent, "a host call's operand").reshape(tensor.shape)

    def arguments(self, kernel: Kernel, launch: Launch) -> list[Argument]:
        """A launch's arguments in the kernel's order: integers, and flat arrays of the parameters' extents."""
        from vcc.runtime.isa.kernel import ScalarParam  # which programs that are compiled already do without

        pairs = list(zip(kernel.params, launch.args, strict=True))
        env = {param.name: arg for param, arg in pairs if isinstance(param, ScalarParam) and isinstance(arg, int)}
        arguments: list[Argument] = []
        for param, arg in pairs:
            if isinstance(arg, int):
                arguments.append(arg)
                continue
            what = f"parameter {param.name} of kernel {kernel.name}"
            if isinstance(param, ScalarParam):
                raise error("E0303", f"{what} is an integer, but the launch gives a tensor")
            arguments.append(self.flat(arg, param.dtype, param.extent.evaluate(env), what))
        return arguments


def allocate(nbytes: int) -> NDArray[np.uint8]:
    """Uninitialised bytes that start on a multiple of `ALIGNMENT`."""
    raw = np.empty(nbytes + ALIGNMENT, np.uint8)
    start = -raw.ctypes.data % ALIGNMENT
    return raw[start : start + nbytes]


def _bytes(array: Array) -> NDArray[np.uint8]:
    return array.reshape(-1).view(np.uint8)


def _read_only(array: Array) -> NDArray[np.uint8]:
    view = _bytes(array)
    view.flags.writeable = False
    return view
