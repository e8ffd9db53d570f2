"""Runs -> the sentences of the page, with the numbers of this run."""

from typing import Protocol, runtime_checkable

import torch

from demos.kit.blocks import Matrix
from demos.kit.saying import percent, perplexity, scored
from demos.kit.scores import Agreement, Score
from demos.pruning.algorithm import PruneTrace
from demos.pruning.controls import METHODS, Settings
from demos.pruning.selection import GROUPS
from demos.pruning.storage import csr, dense
from demos.pruning.structure import STRUCTURES

STORED_AS = torch.bfloat16


@runtime_checkable
class Run(Protocol):
    """What the sentences need of `work.Seen`."""

    settings: Settings
    matrix: Matrix
    trace: PruneTrace
    lost: float
    read: int


def caption(seen: Run, shown: tuple[int, int]) -> str:
    """shown: cells of the maps, down and across."""
    trace, s = seen.trace, seen.settings
    rows, columns = trace.mask.shape
    cut = int((~trace.mask).sum())
    lines = [
        f"**{seen.matrix.name}**, {rows} × {columns} weights: **{cut:,} of {trace.mask.numel():,}** are cut "
        f"({percent(trace.achieved)}) by {METHODS[s.method]}, {compared(s.method, s.pattern)}.",
        f"Of the power of this matrix's outputs **{percent(seen.lost)}** is lost, on {seen.read:,} inputs of "
        "the calibration text.",
    ]
    if s.pattern in STRUCTURES and seen.matrix.kind not in STRUCTURES[s.pattern]:
        lines.append(f"This matrix holds no {s.pattern} and stays whole; choose another one.")
    coming = int(trace.next_cut(1).sum())
    if coming:
        lines.append(f"Orange: the {coming:,} weights that one per cent more would cut.")
    elif s.pattern in GROUPS:
        lines.append(f"{s.pattern} leaves no choice of the sparsity: nothing comes next.")
    if s.method == "sparsegpt" and s.pattern != "rows" and s.pattern not in STRUCTURES:
        moved = int((trace.mask & (trace.pruned != trace.weight)).sum())
        lines.append(f"SparseGPT moved {moved:,} of the weights that it kept, to make up for the others.")
    if shown != (rows, columns):
        lines.append(
            f"Each of the maps' {shown[0]} × {shown[1]} cells shows one weight of those in it, drawn by "
            "chance; zoom in for the others."
        )
    return " ".join(lines)


def compared(method: str, pattern: str) -> str:
    """Which scores are compared with each other."""
    if pattern in GROUPS:
        n, m = GROUPS[pattern]
        return f"which keeps the {n} best of every {m} neighbours in a row"
    if pattern == "rows":
        return "which compares whole rows by the norm of their scores"
    if pattern in STRUCTURES:
        return f"which compares the {pattern} of the layer by the sum of their scores over its matrices"
    sets = {"wanda": "within each row", "sparsegpt": "within 128 columns"}
    return f"compared {sets.get(method, 'over the whole matrix')}"


def edge(trace: PruneTrace) -> tuple[int, int]:
    """The entry with the highest score that was cut; where nothing was cut, the one with the lowest."""
    scores = trace.scores.masked_fill(trace.mask, -torch.inf)
    place = int(scores.argmax()) if not trace.mask.all() else int(trace.scores.argmin())
    return divmod(place, trace.mask.shape[1])


def formula(seen: Run, row: int, column: int) -> str:
    """The score with the numbers of one weight."""
    trace = seen.trace
    if not (0 <= row < trace.mask.shape[0] and 0 <= column < trace.mask.shape[1]):
        size = " × ".join(map(str, trace.mask.shape))
        raise ValueError(f"An entry inside {size} is expected; got row {row}, column {column}.")
    w, score = float(trace.weight[row, column]), float(trace.scores[row, column])
    kept, after = bool(trace.mask[row, column]), float(trace.pruned[row, column])
    lines = [f"Row {row}, column {column}: $w={_tex(w)}$."]
    if trace.method == "magnitude":
        lines.append(f"$$S=|w|={_tex(score)}$$")
    elif trace.method == "random":
        lines.append(f"$$S={_tex(score)}\\quad\\text{{(drawn by chance)}}$$")
    elif trace.method == "wanda" and w:
        norm = score / abs(w)
        lines.append(f"$$S=|w|\\cdot\\lVert x\\rVert_2={_tex(abs(w))}\\cdot{_tex(norm)}={_tex(score)}$$")
    else:
        lines.append(f"$$S={_tex(score)}$$")
    limit = trace.threshold
    if limit is not None:
        its = float(limit[row] if len(limit) > 1 else limit[0])
        where = " of its row" if len(limit) > 1 else ""
        sign = r"\le" if score <= its else ">"
        lines.append(f"The highest score cut{where} is ${_tex(its)}$: $S{sign}{_tex(its)}$.")
    verb = "kept" if kept else "cut"
    lines.append(f"It is **{verb}**: $\\hat w={_tex(after)}$.")
    return "\n\n".join(lines)


def outcome(seen: Run) -> tuple[str | None, str]:
    """What the lesson's question asks: the bytes of CSR where half of the weights are cut."""
    if seen.settings.pattern != "unstructured" or seen.trace.sparsity != 0.5:
        return None, ""
    full, sparse = (store(seen.trace.pruned, STORED_AS).nbytes for store in (dense, csr))
    ratio = sparse / full
    key = "half" if ratio < 0.75 else "same" if ratio < 1.1 else "grows"
    return key, (
        f"Dense, the matrix takes {full:,} bytes; as CSR {sparse:,}, {ratio:.2f} times as many: each of the "
        f"{int((seen.trace.pruned != 0).sum()):,} weights left has 2 bytes, and 4 more for its column."
    )


def measured(score: Score | Agreement | None, achieved: float, kept: int, done: bool) -> str:
    """A whole model, pruned. kept: matrices that stay whole."""
    sizes = f"Cut: **{percent(achieved)}** of the weights in its matrices"
    sizes += f"; {kept} matrices stay whole." if kept else "."
    if score is None:
        return f"{sizes} Not yet read."
    return f"{scored(score, done)} {sizes}"


def fallen(found: dict[str, tuple[float, Score] | None], factor: float) -> str:
    """Where the text falls apart, method by method. found: of `charts.apart`."""
    if not found:
        return ""
    parts = []
    for method, at in found.items():
        name = METHODS[method]
        if at is None:
            parts.append(f"{name} has not so far")
        else:
            parts.append(f"**{name} at {percent(at[0])}** (perplexity {perplexity(at[1].perplexity)})")
    return (
        f"The text counts as fallen apart at the first sparsity measured whose perplexity is above "
        f"{factor:g} times the full model's: {', '.join(parts)}."
    )


def _tex(value: float) -> str:
    if value == 0 or 1e-3 <= abs(value) < 1e5:
        return f"{value:.5g}"
    mantissa, exponent = f"{value:.3e}".split("e")
    return f"{mantissa}\\cdot10^{{{int(exponent)}}}"
