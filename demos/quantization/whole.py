"""What the page's events do with a whole model: its map, single schemes, and the curve of all schemes."""

import gradio as gr

from demos.kit.asked import field
from demos.kit.compressing import others_of, writer
from demos.kit.inputs import InputError
from demos.kit.later import Later
from demos.kit.offer import stoppable
from demos.kit.stops import StoppedError
from demos.quantization import controls
from demos.quantization.handlers import OFFER, STOPS
from demos.quantization.scheme import SCHEMES

# These need torch, which the app's start does not wait for.
work = Later("demos.quantization.work")
trials = Later("demos.quantization.trials")
figures = Later("demos.quantization.figures")
charts = Later("demos.quantization.charts")
words = Later("demos.quantization.words")


def measure(model, scheme, matrix, sequences, threshold, shown, request: gr.Request):
    """The whole model in the scheme, but for the matrices to which the map gives another.

    Yields the map and the sentence about it, each time with what is known so far.
    """
    others = others_of(shown)
    plan = OFFER.at_hand(controls.plan_of(model, scheme, sequences, threshold, others), others=())
    with stoppable(STOPS, request) as check:
        state = None
        try:
            for _, state in work.SCORES.stream(plan, lambda: work.measure(plan, check)):
                yield _map(plan, state, matrix), _measured(state)
        except StoppedError:
            stopped = "Stopped." if state is None else f"Stopped after {words.counted(len(state.cells))}."
            yield gr.skip(), stopped


def _map(plan, state, matrix):
    others = dict(plan.others)
    cells = {c.matrix.name: (c.noise, _short(others.get(c.matrix.name), plan)) for c in state.cells}
    kept = {m.name for m in state.others}
    told = "" if state.done else f"{len(cells)} of {len(state.matrices) - len(kept)} matrices"
    return figures.model_map(cells, state.matrices, kept, matrix, told, others)


def _short(own, plan):
    """What a cell of the map says of its scheme, where it has one of its own."""
    return "" if own in (None, plan.scheme) else f"{SCHEMES[own].bits} bit"


def _measured(state):
    bits = state.bits if state.cells else None
    nbytes = sum(cell.nbytes for cell in state.cells)
    said = words.measured(state.score, bits, nbytes, len(state.others), state.done)
    return said + words.fallbacks([cell.scheme for cell in state.cells])


def pick(shown, does, scheme):
    """A click on the map: the matrix to show, or the map with another scheme for that matrix."""
    controls.check_choice("What a click does", does, controls.CLICKS)
    try:
        row, column = field(shown, "chosen")
        name = str(field(shown, "names")[row][column])
        others = dict(shown.get("others", {}))
        grid = [list(cells) for cells in field(shown, "cells")]
        was = grid[row][column]
    except (TypeError, ValueError, LookupError) as error:
        raise InputError("A cell of the map is expected; got none.") from error
    if does == controls.SHOW:
        return shown, name
    given = controls.KEEP if does == controls.SPARE else scheme
    if others.get(name) == given:
        del others[name]  # a second click takes it back
    else:
        others[name] = given
    mark = ("full" if given == controls.KEEP else "own") if name in others else ""
    grid[row][column] = was | {"value": None, "text": "", "mark": mark}
    told = f"Schemes of their own: {words.counted(len(others))}. Measure the model again to see."
    return {**shown, "cells": grid, "others": others, "told": told}, gr.skip()


def clear(shown):
    """The map without schemes of single matrices; what they gave is no longer known."""
    known = shown if isinstance(shown, dict) else {}
    unknown = {"value": None, "text": "", "mark": ""}
    cells = [
        [cell | unknown if cell and cell["mark"] else cell for cell in line]
        for line in known.get("cells", [])
    ]
    told = "All have the scheme above: measure again."
    return {**known, "cells": cells, "others": {}, "told": told}


def sweep(model, scheme, matrix, sequences, threshold, request: gr.Request):
    """Perplexity against bits of every scheme. Yields the curve as it grows."""
    plan = OFFER.at_hand(controls.plan_of(model, scheme, sequences, threshold, {}), others=())
    writer(plan.model)
    with stoppable(STOPS, request) as check:
        points = {}
        try:
            for points in work.sweep(plan, tuple(SCHEMES), check):
                yield (_curve(points, plan),)
        except StoppedError:
            yield (_curve(points, plan, stopped=True),)


def _curve(points, plan, stopped=False):
    full = next(iter(points.values())).score.full_perplexity if points else None
    shown = {
        name: (at.bits, at.score.perplexity, words.noted(at.score, [cell.scheme for cell in at.cells]))
        for name, at in points.items()
    }
    done = len(points) == len(SCHEMES)
    told = "" if done else f"{'Stopped after ' if stopped else ''}{len(points)} of {len(SCHEMES)} schemes"
    return charts.curve(shown, full, told, plan.scheme, done or stopped)
