"""How every pass of vcc applies rewrite patterns."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Operation, Region
from xdsl.pattern_rewriter import PatternRewriter, PatternRewriteWalker, RewritePattern
from xdsl.transforms.dead_code_elimination import is_trivially_dead

from vcc.dialects.origin import OriginListener


class UnsettledPatternsError(RuntimeError):
    """The patterns of a pass keep rewriting each other's results; a fault of the pass, not of the model."""


class _Abort(BaseException):
    """Carries a pattern's exception past the walker, which would replace it by one that prints the whole module."""

    def __init__(self, cause: Exception):
        super().__init__()
        self.cause = cause


class _Applier(RewritePattern):
    """Erases dead pure ops, else applies the first pattern that matches; counts, and tells the listener."""

    def __init__(self, patterns: Sequence[RewritePattern], listener: OriginListener, limit: int, name: str, dce: bool):
        self.patterns = patterns
        self.listener = listener
        self.limit = limit
        self.name = name
        self.dce = dce
        self.count = 0
        self.recent: deque[str] = deque(maxlen=8)

    def match_and_rewrite(self, op: Operation, rewriter: PatternRewriter, /) -> None:
        if self.dce and is_trivially_dead(op):
            rewriter.erase(op)
            return
        self.listener.begin(op)
        try:
            for pattern in self.patterns:
                pattern.match_and_rewrite(op, rewriter)
                if rewriter.has_done_action:
                    self._count(pattern)
                    return
        except Exception as failure:
            raise _Abort(failure) from failure
        finally:
            self.listener.end()

    def _count(self, pattern: RewritePattern) -> None:
        self.count += 1
        self.recent.append(type(pattern).__name__)
        if self.count > self.limit:
            node = ", ".join(self.listener.matched_names())
            raise UnsettledPatternsError(
                f"pass '{self.name}' has rewritten {self.count} times without settling (last at node '{node}', "
                f"by {', '.join(dict.fromkeys(self.recent))}): two patterns undo each other"
            )


def rewrite(
    root: ModuleOp | Operation | Region,
    patterns: Sequence[RewritePattern],
    *,
    pass_name: str,
    recursive: bool = True,
    reverse: bool = False,
    regions_first: bool = False,
    dce: bool = True,
    limit: int | None = None,
) -> bool:
    """Apply `patterns` (the first that matches wins) to all ops inside `root` until none matches; True if IR changed.

    New ops get the locations and ONNX value names of what they replace. `limit` bounds the number of rewrites,
    by default 64 for each op plus 4096; beyond it `UnsettledPatternsError` names the pass. An exception of a
    pattern comes out as it is. With `dce`, dead pure ops are erased on the way.
    """
    regions = (root,) if isinstance(root, Region) else root.regions
    if limit is None:
        limit = 4096 + 64 * sum(1 for region in regions for _ in region.walk())
    listener = OriginListener()
    applier = _Applier(patterns, listener, limit, pass_name, dce)
    walker = PatternRewriteWalker(
        applier,
        apply_recursively=recursive,
        walk_reverse=reverse,
        walk_regions_first=regions_first,
        listener=listener,
    )
    try:
        changed = [walker.rewrite_region(region) for region in regions]
        return any(changed)
    except _Abort as abort:
        raise abort.cause from abort.cause.__cause__
