"""Machine code of a whole program: its kernels compiled and linked with the function that launches them."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Sequence

from vcc.runtime.binary.image import Image
from vcc.runtime.isa.host import Launch
from vcc.runtime.native.code import Facts, Loaded, Run
from vcc.runtime.native.crew_code import crew_code
from vcc.runtime.native.driver import driver, entry
from vcc.runtime.native.elf import ObjectError
from vcc.runtime.native.emit import Cpu
from vcc.runtime.native.link import link
from vcc.runtime.native.linked import Linked
from vcc.runtime.native.llvm import Jitted, object_codes
from vcc.runtime.native.mapping import Mapping, can_map
from vcc.runtime.native.segments import Segment, in_place, segments, symbol
from vcc.runtime.native.translate import Translator


def build(image: Image, cpu: Cpu, verified: bool) -> tuple[Facts, Linked | None, Loaded]:
    """The facts, the linked image if this system maps them, and the code in memory.

    Raises VccError: E0121 if a kernel has an instruction that the engine does not have, E0303 and E0401 as `segments`.
    """
    found, shared = segments(image), in_place(image)
    used = {step.kernel for step in image.host.steps if isinstance(step, Launch)}
    traps: dict[str, tuple[str, ...]] = {}
    scratch = [0]

    def texts() -> Iterator[str]:
        yield driver({entry(n, i): f for n, segment in enumerate(found) for i, f in enumerate(segment.functions)})
        for number, kernel in enumerate(image.kernels):
            if kernel.name in used:
                translator = Translator(kernel, cpu, shared.get(kernel.name, {}))
                yield translator.run(symbol(number))
                traps[kernel.name] = tuple(translator.e.traps)
                scratch.append(translator.scratch_bytes)

    linked, loaded = load_texts(texts(), cpu, [crew_code()])
    names = tuple(kernel.name for kernel in image.kernels)
    facts = Facts(
        _runs(found), names, traps, max(scratch), max((s.copy_bytes for s in found), default=0), verified, cpu.name
    )
    return facts, linked, loaded


def _runs(found: list[Segment]) -> tuple[Run, ...]:
    return tuple(Run(n, s.first, s.steps, s.schedule.phases) for n, s in enumerate(found))


def load_texts(texts: Iterable[str], cpu: Cpu, common: Sequence[str] = ()) -> tuple[Linked | None, Loaded]:
    """Modules of LLVM IR in memory, and the image that they became, if this system maps images.

    Those of `common` are the same for many programs.
    """
    made = list[str]()
    if can_map():
        texts = (made.append(text) or text for text in texts)
        try:
            linked = link(object_codes(texts, cpu, common))
            return linked, Mapping(linked)
        except ObjectError as problem:
            warnings.warn(f"vcc cannot keep machine code of this program, a bug to report: {problem}", stacklevel=2)
    return None, Jitted([*common, *made, *texts], cpu)
