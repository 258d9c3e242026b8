"""The results of `vcc bench` as people read them: what was timed and where, a row for each engine, and remarks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from vcc.compiler.bench.api import Measured, Report
from vcc.compiler.bench.compare import Comparison
from vcc.compiler.bench.fresh import Fresh
from vcc.runtime.diagnostics import plural
from vcc.tools.output import count_text, table

HEADERS = ("engine", "version", "threads", "ms", "ratio", "quartiles", "GFLOP/s", "of peak", "error", "opened s")
FRESH_HEADERS = ("cold ms", "warm ms", "peak MiB")


def print_report(report: Report) -> None:
    """Print to stdout."""
    work = f"{count_text(report.macs)} multiply-adds ({report.macs_counted})" if report.macs else "no multiply-adds"
    calls = f", {plural(report.host_calls, 'host call')}" if report.host_calls else ""
    compiled = "" if report.compile_s is None else f", compiled in {report.compile_s:.2f} s"
    print(f"{report.file}: {work}, {plural(report.launches, 'launch')}{calls}{compiled}")
    print(f"{report.date}, {report.cpu}, {plural(report.cpus, 'CPU')}")
    fresh = any(each.fresh for each in report.measured)
    headers = [*HEADERS, *(FRESH_HEADERS if fresh else ())]
    table(headers, [row for each in report.measured for row in _rows(report, each, fresh)], indent="")
    for line in _remarks(report):
        print(line)


def _rows(report: Report, measured: Measured, fresh: bool) -> Iterator[list[Any]]:
    found = measured.comparison

    def row(engine: str, seconds: float, compared: tuple[str, str], error: str, opened: float) -> list[Any]:
        head = [engine, report.versions[engine], found.threads, f"{1e3 * seconds:.4g}"]
        started = _started(measured.fresh.get(engine)) if fresh else ()
        return [*head, *compared, *_work(found, seconds), error, f"{opened:.2f}", *started]

    yield row("vcc", found.seconds, ("", ""), "", found.machine_code_s)
    for o in found.opponents:
        if o.problem:
            rest = [""] * (len(HEADERS) - 5 + (len(FRESH_HEADERS) if fresh else 0))
            yield [o.engine, report.versions[o.engine], found.threads, "refused", *rest, ""]
            continue
        wrong = " WRONG" if o.wrong(report.tolerance) else ""
        compared = f"{o.ratio:.2f}", f"{o.low:.2f}-{o.high:.2f}"
        yield row(o.engine, o.seconds, compared, f"{o.error:.1e}{wrong}", o.open_s)


def _work(found: Comparison, seconds: float) -> tuple[str, str]:
    """Operations a second, and their part of the measured peak."""
    if not found.flops:
        return "", ""
    rate = found.flops / seconds
    return f"{rate / 1e9:.1f}", f"{100 * rate / found.peak_flops:.0f}%"


def _started(start: Fresh | None) -> tuple[str, str, str]:
    if start is None:
        return "", "", ""
    return f"{1e3 * start.cold_s:.0f}", f"{1e3 * start.warm_s:.0f}", f"{start.peak_bytes / 2**20:.1f}"


def _remarks(report: Report) -> Iterator[str]:
    """What the table means, and what it does not show."""
    for each in report.measured:
        found = each.comparison
        peaks = f"{found.peak_flops / 1e9:.0f} GFLOP/s, {found.peak_bytes / 1e9:.1f} GB/s read from memory"
        yield f"measured peak of {plural(found.threads, 'thread')}, between the blocks: {peaks}"
    opponents = [(each.comparison, o) for each in report.measured for o in each.comparison.opponents]
    if any(not o.problem for _, o in opponents):
        yield "ratio: vcc's time by the engine's, so below 1 vcc is faster; median and quartiles of the blocks' ratios"
    for found, o in opponents:
        where = f"{o.engine}, {plural(found.threads, 'thread')}"
        if o.problem:
            yield f"{where}: {o.problem}"
            continue
        if o.spread and not o.wrong(report.tolerance):
            own = (
                "its own outputs without its graph optimisations, or with floats changed in the last digits, differ by"
            )
            yield f"{where}: {own} {o.spread:.1e}, so vcc's {o.error:.1e} counts as right"
        if len(o.variants) > 1:
            times = ", ".join(f"{name} {1e3 * seconds:.4g} ms" for name, seconds in o.variants.items())
            yield f"{where}: {times}; the faster counts (vcc: {found.variant})"
