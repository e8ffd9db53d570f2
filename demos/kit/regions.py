"""A part of a large matrix cut down to what a screen has room for: each cell shows one real entry."""

from collections.abc import Mapping
from itertools import pairwise

import numpy as np
from jaxtyping import Int32, Shaped

from demos.kit.pack import Packed, pack

LIMIT = (160, 160)  # cells down and across

Entries = Shaped[np.ndarray, "rows columns"]
Cells = Shaped[np.ndarray, "down across"]
Places = Int32[np.ndarray, "down across"]


def region_of(
    arrays: Mapping[str, np.ndarray], weight_of_cell: Entries, window, limit: tuple[int, int] = LIMIT
) -> tuple[dict[str, Cells], Places, Places]:
    """The arrays cut down, and the row and the column of the entry that each cell shows.

    window: top, left, height, width, in rows and columns of the whole. It is cut into at most `limit`
    cells; of n cells over a height, cell i begins at top + floor(i * height / n). A cell shows, in all
    arrays, the entry whose weight_of_cell (say |error|) is greatest in it; of equal ones the first, row by
    row. Every value is an entry as it was: nothing is averaged. Raises ValueError for arrays of unequal
    shapes, a window that does not lie inside, and NaN in the window's weights or in a value shown.
    """
    for name, array in arrays.items():
        if array.shape != weight_of_cell.shape:
            raise ValueError(f"{name} must have the weights' shape {weight_of_cell.shape}; got {array.shape}")
    rows, columns = weight_of_cell.shape
    top, left, height, width = window
    if not (0 <= top < top + height <= rows and 0 <= left < left + width <= columns):
        raise ValueError(
            f"A window inside {rows} rows and {columns} columns is expected; got {list(window)}."
        )
    inside = weight_of_cell[top : top + height, left : left + width]
    row_of, column_of = _greatest(inside, min(height, limit[0]), min(width, limit[1]))
    row_of += top
    column_of += left
    shown = {name: array[row_of, column_of] for name, array in arrays.items()}
    for name, array in {"weight_of_cell": weight_of_cell[row_of, column_of], **shown}.items():
        if np.isnan(array).any():
            raise ValueError(f"{name} must hold numbers; got NaN")
    return shown, row_of, column_of


def packed_region(
    arrays: Mapping[str, np.ndarray],
    weight_of_cell: Entries,
    window,
    facts: dict,
    limit: tuple[int, int] = LIMIT,
) -> Packed:
    """What the linked heatmaps show of a window: `region_of`, ready to be served.

    facts: what else their value says (panels, key, marked_columns, marked_rows, labels).
    """
    shown, row_of, column_of = region_of(arrays, weight_of_cell, window, limit)
    rows, columns = weight_of_cell.shape
    size = {"rows": rows, "columns": columns, "window": list(window), "cells": list(row_of.shape)}
    parts = {**shown, "row_of": row_of, "column_of": column_of}
    return pack({name: (array, "f4") for name, array in parts.items()}, {**facts, **size})


def _greatest(weights: Entries, down: int, across: int) -> tuple[Places, Places]:
    """Where the greatest weight of each cell stands. To numpy NaN is the greatest, so none goes unseen."""
    height, width = weights.shape
    in_row = np.empty((height, across), np.int32)  # of each row, the column of the greatest in each strip
    for j, (begin, end) in enumerate(pairwise(np.arange(across + 1) * width // across)):
        in_row[:, j] = begin + weights[:, begin:end].argmax(axis=1)
    best = np.take_along_axis(weights, in_row, axis=1)
    row_of = np.empty((down, across), np.int32)
    for i, (begin, end) in enumerate(pairwise(np.arange(down + 1) * height // down)):
        row_of[i] = begin + best[begin:end].argmax(axis=0)
    return row_of, np.take_along_axis(in_row, row_of, axis=0)
