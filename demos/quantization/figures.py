"""Runs -> what the linked views draw. Pure functions; nothing is computed here that the lesson talks of."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor

from demos.kit.blocks import Matrix
from demos.kit.pack import Packed
from demos.kit.regions import packed_region
from demos.quantization.algorithm import QuantTrace
from demos.quantization.codebooks import levels
from demos.quantization.number import Number, in_units, pattern
from demos.quantization.panels import MAPS
from demos.quantization.scheme import FLOATS

BINS = 161  # of the histogram; odd, so that one lies around 0
ACROSS = 320  # places of the profile's curves
FEW = 40  # levels that a histogram shows


@runtime_checkable
class Run(Protocol):
    """What the pictures need of `work.Seen`."""

    trace: QuantTrace
    matrix: Matrix
    largest: Tensor
    outliers: Tensor


def maps(
    seen: Run, key: str, window: Sequence[int] | None = None, chosen: tuple[int, int] | None = None
) -> Packed:
    """The linked maps of a window [top, left, height, width] of the matrix, at first of all of it.

    chosen: row and column of the entry that is marked.

    Raises ValueError for a window that does not lie inside.
    """
    trace = seen.trace
    rows, columns = trace.codes.shape
    arrays = {
        "weight": trace.weight,
        # The 16 bits of a float as a number, as on the number line.
        "codes": trace.codes.int() % 2**16 if trace.scheme.format in FLOATS else trace.codes,
        "dequantized": trace.dequantized,
        "error": trace.error,
    }
    most = float(trace.weight.abs().max()) or 1.0
    worst = float(trace.error.abs().max()) or 1e-12
    digits = max(2, 3 - math.floor(math.log10(most)))
    low, high = (float(end) for end in arrays["codes"].aminmax())
    looks = {
        "weight": ("diverging", [-most, most], digits),
        "codes": ("diverging" if low < 0 else "viridis", [-high if low < 0 else 0.0, high or 1.0], 0),
        "dequantized": ("diverging", [-most, most], digits),
        "error": ("diverging", [-worst, worst], digits + 1),
    }
    panels = [
        {"key": name, "title": title, "colours": looks[name][0], "extent": looks[name][1]}
        | {"digits": looks[name][2]}
        for name, title in MAPS.items()
    ]
    marked = torch.nonzero(seen.outliers)[:, 0].tolist()
    facts = {"panels": panels, "key": key, "marked_columns": marked, "marked_rows": []}
    facts |= {"labels": {"row": "output", "column": "input"}}
    facts |= {"chosen": list(chosen)} if chosen else {}
    numbers = {name: array.float().cpu().numpy() for name, array in arrays.items()}
    return packed_region(numbers, np.abs(numbers["error"]), window or (0, 0, rows, columns), facts)


def profile(seen: Run) -> dict:
    """Histogram of the weights in units of their scale, the levels there, and the error along both sides."""
    trace = seen.trace
    units = in_units(trace)
    shown = levels(trace.scheme) if trace.scheme.format not in FLOATS else torch.empty(0)
    if trace.zero_points is not None:
        shown = shown - float(trace.zero_points.float().mean())
    most = float(units.abs().max()) or 1.0
    counts, edges = np.histogram(units.cpu().numpy(), BINS, (-most, most))
    return {
        "counts": counts.tolist(),
        "edges": [float(edges[0]), float(edges[-1])],
        "shifted": trace.zero_points is not None,
        "levels": shown.tolist() if len(shown) <= FEW else [],
        "rows": _thin(trace.error_per_row),
        "columns": _thin(trace.error_per_column),
        "groups": [] if (groups := trace.error_per_group) is None else _thin(groups),
        "largest": _thin(seen.largest),
        "outliers": _thin(seen.outliers),
        "size": list(trace.codes.shape),
        "unit": "the largest weight" if trace.scheme.format in FLOATS else "its scale",
    }


def number_view(number: Number, trace: QuantTrace) -> dict:
    """One weight's number line."""
    signed = trace.codes.dtype == torch.int8 and number.bits < 16
    return {
        "row": number.row,
        "column": number.column,
        "weight": number.weight * number.stretched,
        "code": number.code,
        "back": number.back * number.stretched,
        "scale": None if math.isnan(number.scale) else number.scale,
        "unit": number.unit,
        "zero": number.zero_point,
        "stretched": number.stretched,
        "levels": number.levels.tolist(),
        "codes": number.codes.tolist(),
        "patterns": {
            str(code): pattern(code, number.bits, signed)
            for code in {*number.codes.tolist(), *number.numbers.tolist(), number.code}
        },
        "places": number.places.tolist(),
        "units": number.units.tolist(),
        "rounded": number.rounded.tolist(),
        "numbers": number.numbers.tolist(),
    }


def model_map(
    cells: Mapping[str, tuple[float, str]],
    matrices: Sequence[Matrix],
    kept: set[str],
    chosen: str | None,
    told: str,
    others: Mapping[str, str],
) -> dict:
    """The map of the model. cells: name of a matrix -> its part of noise, a short name of its scheme.

    kept: matrices at full precision. others: those with a scheme of their own, name -> scheme.
    """
    layers = sorted({matrix.layer for matrix in matrices})
    kinds = list(dict.fromkeys(matrix.kind for matrix in matrices))
    grid: list[list[dict | None]] = [[None] * len(kinds) for _ in layers]
    place, names = None, [[""] * len(kinds) for _ in layers]
    for matrix in matrices:
        row, column = layers.index(matrix.layer), kinds.index(matrix.kind)
        noise, mark = cells.get(matrix.name, (None, ""))
        value = 0.0 if matrix.name in kept else None if noise is None else 100 * math.sqrt(noise)
        grid[row][column] = {
            "value": value,
            "text": "" if value is None else f"{value:.3g}",
            "mark": "full" if matrix.name in kept else mark,
        }
        names[row][column] = matrix.name
        if matrix.name == chosen:
            place = [row, column]
    return {
        "rows": [f"layer {layer + 1}" for layer in layers],
        "columns": [kind.rsplit(".", 1)[-1] for kind in kinds],
        "cells": grid,
        "names": names,
        "others": dict(others),
        "unit": "error, % of the weights' size",
        "low": "small error",
        "high": "large error",
        "chosen": place,
        "told": told,
    }


def _thin(values: Tensor, most: Callable = np.max) -> list[float]:
    """At most ACROSS values, each the greatest of its stretch."""
    values = values.float().cpu().numpy()
    if len(values) <= ACROSS:
        return values.tolist()
    return [float(most(part)) for part in np.array_split(values, ACROSS)]
