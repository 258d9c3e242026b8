"""Compile the bundled digits network, run it on images it has not seen, and compare it with its reference."""

from __future__ import annotations

import argparse
import time
from typing import TYPE_CHECKING, Any

from vcc.runtime.diagnostics import Exit

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

INK = " .:-=+*#%@"
SHOWN = 5


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The verb's options."""
    parser.add_argument("--target", metavar="NAME|FILE.toml", default="host", help="the machine (default: host)")


def run(args: argparse.Namespace) -> int:
    """Run the demo; its exit status says whether the results are right."""
    from vcc.compiler.api import compile_program
    from vcc.compiler.compilation import Compilation
    from vcc.compiler.debug.compare import compare_runs
    from vcc.compiler.debug.reference_run import run_reference
    from vcc.compiler.demo import model_path, test_images
    from vcc.compiler.options import Options
    from vcc.tools.output import note, print_json
    from vcc.tools.summary import print_summary, report

    images, labels = test_images()
    compilation = Compilation.from_model(model_path(), Options(args.target, {"image": images.shape}))
    program = compile_program(compilation)
    facts = report(compilation, program.image)
    is_text = args.format == "text"
    if is_text:
        print_summary(facts, "digits.onnx", None)
    engine = program.engine
    start = time.perf_counter()
    (probabilities,) = program.run({"image": images})
    seconds = time.perf_counter() - start
    digits = probabilities.argmax(axis=1)
    right = int((digits == labels).sum())
    reference = run_reference(model_path(), {"image": images})
    compared = compare_runs({spec.name: probabilities for spec in program.outputs}, reference)
    matches = bool(compared) and all(each.matches for each in compared)
    error = max((each.error for each in compared), default=float("inf"))
    if is_text:
        _print_images(images, digits, probabilities)
        print(f"{right} of {len(labels)} images recognised, in {1e3 * seconds:.1f} ms on the {engine} engine")
        verdict = "the same results as" if matches else "not the results of"
        print(f"{verdict} {reference.name}: relative L2 error {error:.1e}")
        note("next: vcc MODEL.onnx")
    else:
        content = {"images": len(labels), "right": right, "seconds": seconds, "error": error, "compile": facts}
        print_json("demo", content, int(Exit.OK if matches else Exit.DIFFERS))
    return int(Exit.OK if matches else Exit.DIFFERS)


def _print_images(images: NDArray[np.float32], digits: NDArray[Any], probabilities: NDArray[Any]) -> None:
    # The first image of each of a few digits.
    shown = [int((digits == digit).argmax()) for digit in sorted(set(digits.tolist()))][:SHOWN]
    drawn = [draw(images[i, 0]) for i in shown]
    for lines in zip(*drawn, strict=True):
        print("   ".join(lines))
    captions = [f"{digits[i]} ({100 * probabilities[i].max():.0f} %)" for i in shown]
    print("   ".join(caption.center(len(drawn[0][0])) for caption in captions))


def draw(image: NDArray[np.float32]) -> list[str]:
    """An image f32[H, W] of values in 0..1 as lines of characters, two a pixel, since characters are tall."""
    return ["".join(INK[min(int(value * len(INK)), len(INK) - 1)] * 2 for value in row) for row in image]
