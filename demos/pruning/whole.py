"""What the page's events do with a whole model: its map, single layers, and the curve of all methods."""

import gradio as gr

from demos.kit.asked import field
from demos.kit.compressing import number, others_of, writer
from demos.kit.inputs import InputError
from demos.kit.later import Later
from demos.kit.offer import stoppable
from demos.kit.stops import StoppedError
from demos.pruning import controls
from demos.pruning.handlers import OFFER, STOPS

# These need torch, which the app's start does not wait for.
work = Later("demos.pruning.work")
figures = Later("demos.pruning.figures")
charts = Later("demos.pruning.charts")
words = Later("demos.pruning.words")


def measure(model, method, pattern, sparsity, matrix, sequences, shown, request: gr.Request):
    """The whole model, pruned, each layer as the map or the slider says.

    Yields the map and the sentence about it, each time with what is known so far.
    """
    plan = OFFER.at_hand(
        controls.plan_of(model, method, pattern, sparsity, sequences, others_of(shown)), others=()
    )
    with stoppable(STOPS, request) as check:
        state = None
        try:
            for _, state in work.SCORES.stream(plan, lambda: work.measure(plan, check)):
                yield _map(plan, state, matrix), _measured(state)
        except StoppedError:
            stopped = "Stopped." if state is None else f"Stopped after {len(state.cells)} matrices."
            yield gr.skip(), stopped


def _map(plan, state, matrix):
    cells = {cell.matrix.name: (cell.achieved, cell.lost) for cell in state.cells}
    kept = {m.name for m in state.kept}
    told = "" if state.done else f"{len(cells)} of {len(state.matrices) - len(kept)} matrices"
    others = {layer: 100 * share for layer, share in plan.others}
    return figures.model_map(cells, state.matrices, kept, matrix, told, others)


def _measured(state):
    return words.measured(state.score, state.achieved, len(state.kept), state.done)


def pick(shown, does, sparsity):
    """A click on the map: the matrix to show, or the map with another sparsity for that layer."""
    try:
        row, column = field(shown, "chosen")
        name, layer = field(shown, "names")[row][column], str(field(shown, "layers")[row])
        grid, others = [list(cells) for cells in field(shown, "cells")], dict(others_of(shown))
        grid[row] = [cell and {"value": None, "text": "", "mark": ""} for cell in grid[row]]
    except (TypeError, ValueError, IndexError) as error:
        raise InputError("A cell of the map is expected; got none.") from error
    if controls.check_choice("What a click does", does, controls.CLICKS) == controls.SHOW:
        return shown, name
    given = 0.0 if does == controls.SPARE else number(controls.RANGES["sparsity"], sparsity)
    if others.get(layer) == given:
        del others[layer]  # a second click takes it back
    else:
        others[layer] = given
    mark = f"{given:.3g} %" if layer in others else ""
    grid[row] = [cell and {**cell, "mark": mark} for cell in grid[row]]
    told = f"{len(others)} layers have a sparsity of their own: measure the model again to see."
    return {**shown, "cells": grid, "others": others, "told": told}, gr.skip()


def clear(shown):
    """The map without sparsities of single layers."""
    known = shown if isinstance(shown, dict) else {}
    unknown = {"value": None, "text": "", "mark": ""}
    others = others_of(known)
    grid = [
        [cell and unknown for cell in cells] if str(layer) in others else cells
        for layer, cells in zip(known.get("layers", []), known.get("cells", []), strict=False)
    ]
    told = "All layers have the sparsity above: measure again."
    return {**known, "cells": grid, "others": {}, "told": told}


def sweep(model, method, pattern, sparsity, matrix, sequences, request: gr.Request):
    """Perplexity against sparsity of every method. Yields the growing curve, and where texts fall apart."""
    plan = OFFER.at_hand(controls.plan_of(model, method, pattern, sparsity, sequences, {}), others=())
    writer(plan.model)
    with stoppable(STOPS, request) as check:
        points = {}
        try:
            whole = len(work.points_of(plan))
            for points in work.sweep(plan, check):
                done = len(points) == whole
                yield _curve(points, plan, "" if done else f"{len(points)} of {whole} points", done)
        except StoppedError:
            yield _curve(points, plan, f"Stopped after {len(points)} points.", True)


def _curve(points, plan, told, done):
    found = [(its.method, its.sparsity, at.achieved, at.score) for its, at in points.values()]
    chosen = controls.point(plan.method, plan.sparsity)
    said = words.fallen(charts.apart(found), charts.APART)
    return charts.curve(found, told, chosen, done), said


def follow(shown):
    """The method and the sparsity of the point that was chosen in the curve."""
    name = field(shown, "chosen")
    words_of = {words: method for method, words in controls.METHODS.items()}
    method, _, share = str(name).rpartition(", ")
    try:
        return words_of[method], float(share.removesuffix(" %"))
    except (KeyError, ValueError) as error:
        raise InputError(f"A point of the curve is expected; got {name!r:.80}.") from error
