"""Runs -> what the linked views draw. Pure functions; nothing is computed here that the lesson talks of."""

import math
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, Float32, UInt8
from torch import Tensor

from demos.kit.blocks import Matrix
from demos.kit.pack import Packed
from demos.kit.regions import packed_region
from demos.pruning.algorithm import PruneTrace
from demos.pruning.panels import EQUAL, MAPS, WORDS

BINS = 121  # of the histograms; odd, so that one lies around 0
FAR = 0.99  # of the scores lie in their histogram


@runtime_checkable
class Run(Protocol):
    """What the pictures need of `work.Seen`."""

    trace: PruneTrace


@runtime_checkable
class Form(Protocol):
    """What they need of `against.Form`."""

    weight: Tensor


@runtime_checkable
class Equal(Protocol):
    """What they need of `against.Equal`."""

    weight: Tensor
    quantized: Form
    pruned: Form
    both: Form


@lru_cache(maxsize=8)
def chances(shape: tuple[int, int]) -> Float32[np.ndarray, "rows columns"]:
    """By which one of a cell's entries is drawn: as many cells are cut as weights are, but for chance."""
    return np.random.default_rng(0).random(shape, np.float32)


def states(trace: PruneTrace) -> UInt8[np.ndarray, "out in"]:
    """0 cut, 1 kept, 2 kept but among the next per cent."""
    return (trace.mask.to(int) + trace.next_cut(1).to(int)).cpu().numpy().astype(np.uint8)


def maps(
    seen: Run, key: str, window: Sequence[int] | None = None, chosen: tuple[int, int] | None = None
) -> Packed:
    """The linked maps of a window [top, left, height, width] of the matrix, at first of all of it.

    chosen: row and column of the entry that is marked.

    Raises ValueError for a window that does not lie inside.
    """
    trace = seen.trace
    most = max(float(trace.weight.abs().max()), float(trace.pruned.abs().max())) or 1.0
    highest = float(trace.scores.max()) or 1.0
    numbers = {
        "weight": trace.weight.cpu().numpy(),
        "scores": trace.scores.cpu().numpy(),
        "mask": states(trace),
        "pruned": trace.pruned.cpu().numpy(),
    }
    # A few scores are far above all others: the colours end where FAR of them lie.
    reach = _reach(numbers["scores"]) or highest
    looks = {
        "weight": {"colours": "diverging", "extent": [-most, most], "digits": _digits(most)},
        "scores": {"colours": "viridis", "extent": [0.0, reach], "digits": _digits(highest)},
        "mask": {"colours": "mask", "extent": [0, 2], "digits": 0, "words": list(WORDS)},
        "pruned": {"colours": "diverging", "extent": [-most, most], "digits": _digits(most)},
    }
    return _packed(numbers, looks, MAPS, key, window, chosen)


def equal_maps(equal: Equal, key: str, window: Sequence[int] | None = None) -> Packed:
    """The weights and three errors, all errors in one scale of colours.

    Raises ValueError for a window that does not lie inside.
    """
    errors = {name: getattr(equal, name).weight - equal.weight for name in ("quantized", "pruned", "both")}
    most = float(equal.weight.abs().max()) or 1.0
    worst = max(float(error.abs().max()) for error in errors.values()) or 1e-12
    numbers = {"weight": equal.weight} | errors
    looks = {
        name: {"colours": "diverging", "extent": [-end, end], "digits": _digits(worst) + 1}
        for name, end in {"weight": most, **dict.fromkeys(errors, worst)}.items()
    }
    arrays = {name: part.cpu().numpy() for name, part in numbers.items()}
    return _packed(arrays, looks, EQUAL, key, window, None)


def _packed(
    numbers: dict[str, np.ndarray],
    looks: Mapping[str, dict],
    titles: Mapping[str, str],
    key: str,
    window: Sequence[int] | None,
    chosen: tuple[int, int] | None,
) -> Packed:
    rows, columns = numbers["weight"].shape
    panels = [{"key": name, "title": title, **looks[name]} for name, title in titles.items()]
    facts = {"panels": panels, "key": key, "marked_columns": [], "marked_rows": []}
    facts |= {"labels": {"row": "output", "column": "input"}}
    facts |= {"chosen": list(chosen)} if chosen else {}
    return packed_region(numbers, chances((rows, columns)), window or (0, 0, rows, columns), facts)


def _digits(most: float) -> int:
    return max(2, 3 - math.floor(math.log10(most)))


def _reach(scores: Float[np.ndarray, "out in"]) -> float:
    return float(np.quantile(scores, FAR))


def bars(seen: Run) -> dict:
    """Histograms of scores and of weights, each bar parted by `states`, and the thresholds."""
    trace = seen.trace
    scores, weights = trace.scores.cpu().numpy(), trace.weight.cpu().numpy()
    reach, most = _reach(scores) or 1.0, float(np.abs(weights).max()) or 1.0
    parted, shown = states(trace), {}
    for name, values, ends in (("scores", scores, (0.0, reach)), ("weights", weights, (-most, most))):
        counts = [np.histogram(values[parted == state], BINS, ends)[0].tolist() for state in (0, 1, 2)]
        shown[name] = {"counts": counts, "edges": list(ends)}
    edges = trace.threshold
    shown["threshold"] = None if edges is None else [float(edges.min()), float(edges.max())]
    shown["words"] = list(WORDS)
    return shown


def model_map(
    cells: Mapping[str, tuple[float, float]],
    matrices: Sequence[Matrix],
    kept: set[str],
    chosen: str | None,
    told: str,
    others: Mapping[int, float],
) -> dict:
    """The map of the model. cells: name of a matrix -> share cut, part of its outputs' power lost.

    kept: matrices that stay whole. others: number of a layer -> its own %.
    """
    layers = sorted({matrix.layer for matrix in matrices})
    kinds = list(dict.fromkeys(matrix.kind for matrix in matrices))
    grid: list[list[dict | None]] = [[None] * len(kinds) for _ in layers]
    place, names = None, [[""] * len(kinds) for _ in layers]
    for matrix in matrices:
        row, column = layers.index(matrix.layer), kinds.index(matrix.kind)
        share, lost = (0.0, 0.0) if matrix.name in kept else cells.get(matrix.name, (None, None))
        grid[row][column] = {
            "value": None if lost is None else 100 * lost,
            "text": "" if lost is None else f"{100 * lost:.3g}",
            "mark": "" if share is None else "whole" if matrix.name in kept else f"{100 * share:.3g} % cut",
        }
        names[row][column] = matrix.name
        if matrix.name == chosen:
            place = [row, column]
    return {
        "rows": [f"layer {layer + 1}" for layer in layers],
        "columns": [kind.rsplit(".", 1)[-1] for kind in kinds],
        "cells": grid,
        "names": names,
        "layers": layers,
        "others": {str(layer): percent for layer, percent in others.items()},
        "unit": "% of the outputs' power lost",
        "low": "little lost",
        "high": "much lost",
        "chosen": place,
        "told": told,
    }
