"""A matrix cut down to the screen's cells, against a loop over cells and entries."""

import numpy as np
import pytest

from demos.kit.regions import packed_region, region_of


def by_loop(weights, window, limit):
    """(row, column) of each cell's entry, cell by cell and entry by entry."""
    top, left, height, width = window
    down, across = min(height, limit[0]), min(width, limit[1])
    places = []
    for i in range(down):
        places.append([])
        for j in range(across):
            best = None
            for r in range(height):
                for c in range(width):
                    mine = (
                        i * height // down <= r < (i + 1) * height // down
                        and j * width // across <= c < (j + 1) * width // across
                    )
                    if mine and (best is None or weights[top + r, left + c] > weights[best]):
                        best = (top + r, left + c)
            places[-1].append(best)
    return np.array(places)


@pytest.mark.parametrize(
    "shape, window, limit",
    [
        ((1, 1), (0, 0, 1, 1), (160, 160)),
        ((7, 5), (0, 0, 7, 5), (3, 2)),
        ((23, 31), (0, 0, 23, 31), (8, 8)),
        ((23, 31), (4, 9, 17, 13), (5, 6)),
        ((23, 31), (22, 30, 1, 1), (8, 8)),
        ((23, 31), (3, 2, 6, 20), (8, 8)),  # entry by entry downwards, cut across
        ((12, 12), (0, 0, 12, 12), (1, 1)),
    ],
)
def test_each_cell_shows_its_greatest_entry(shape, window, limit):
    generator = np.random.default_rng(sum(shape))
    weights = generator.integers(0, 40, shape).astype(np.float32)  # whole numbers: many are equal
    arrays = {"a": generator.normal(size=shape), "codes": generator.integers(-8, 8, shape)}
    shown, row_of, column_of = region_of(arrays, weights, window, limit)
    wanted = by_loop(weights, window, limit)
    np.testing.assert_array_equal(row_of, wanted[..., 0])
    np.testing.assert_array_equal(column_of, wanted[..., 1])
    for name, array in arrays.items():
        np.testing.assert_array_equal(shown[name], array[wanted[..., 0], wanted[..., 1]])


def test_a_small_window_is_shown_as_it_is():
    array = np.arange(30.0).reshape(5, 6)
    shown, row_of, column_of = region_of({"a": array}, np.zeros((5, 6)), (1, 2, 3, 4))
    np.testing.assert_array_equal(shown["a"], array[1:4, 2:6])
    np.testing.assert_array_equal(row_of[:, 0], [1, 2, 3])
    np.testing.assert_array_equal(column_of[0], [2, 3, 4, 5])


def test_the_greatest_entry_of_a_large_matrix_is_never_lost():
    weights = np.zeros((4096, 1000), np.float32)
    weights[4095, 999] = weights[2048, 1] = 1
    shown, row_of, column_of = region_of({"w": weights}, weights, (0, 0, 4096, 1000))
    assert row_of.shape == (160, 160)
    assert shown["w"].sum() == 2
    assert (row_of[-1, -1], column_of[-1, -1]) == (4095, 999)
    assert (row_of[80, 0], column_of[80, 0]) == (2048, 1)


def test_infinite_weights_are_the_greatest():
    weights = np.ones((4, 4))
    weights[1, 2] = np.inf
    _, row_of, column_of = region_of({}, weights, (0, 0, 4, 4), (1, 1))
    assert (row_of.item(), column_of.item()) == (1, 2)


def test_nan_is_refused_wherever_it_stands_in_the_window():
    weights = np.ones((6, 6))
    weights[3, 4] = np.nan
    with pytest.raises(ValueError, match="weight_of_cell must hold numbers; got NaN"):
        region_of({}, weights, (0, 0, 6, 6), (2, 2))
    region_of({}, weights, (0, 0, 3, 6), (2, 2))
    with pytest.raises(ValueError, match="codes must hold numbers; got NaN"):
        region_of({"codes": weights}, np.ones((6, 6)), (0, 0, 6, 6))


@pytest.mark.parametrize(
    "window", [(0, 0, 0, 5), (0, 0, 5, 0), (-1, 0, 2, 2), (0, -1, 2, 2), (4, 0, 2, 2), (0, 5, 2, 2)]
)
def test_a_window_outside_is_refused_with_both_sizes(window):
    with pytest.raises(ValueError, match="inside 5 rows and 6 columns is expected; got "):
        region_of({}, np.ones((5, 6)), window)


def test_unequal_shapes_are_refused():
    with pytest.raises(ValueError, match=r"codes must have the weights' shape \(5, 6\); got \(6, 5\)"):
        region_of({"codes": np.ones((6, 5))}, np.ones((5, 6)), (0, 0, 5, 6))


def test_a_packed_region_says_where_its_entries_stand():
    generator = np.random.default_rng(1)
    weights = generator.normal(size=(9, 20))
    packed = packed_region({"w": weights}, abs(weights), (2, 3, 7, 15), {"key": "k"}, (4, 5))
    facts = {"key": "k", "rows": 9, "columns": 20, "window": [2, 3, 7, 15], "cells": [4, 5]}
    assert packed.facts == facts
    read = {
        name: np.frombuffer(packed.blob, "<f4", 20, part["at"]).reshape(part["shape"])
        for name, part in packed.parts.items()
    }
    wanted = by_loop(abs(weights), (2, 3, 7, 15), (4, 5))
    np.testing.assert_array_equal(read["row_of"], wanted[..., 0])
    np.testing.assert_array_equal(read["column_of"], wanted[..., 1])
    np.testing.assert_allclose(read["w"], weights[wanted[..., 0], wanted[..., 1]], rtol=1e-6)
