"""What the page's events do with one matrix, and what the events of all stages share."""

from dataclasses import replace
from pathlib import Path

import gradio as gr

from demos.kit.asked import answering_script, field, whole_numbers
from demos.kit.compressing import CHOICES
from demos.kit.inputs import within
from demos.kit.later import Later
from demos.kit.lesson import read_lesson
from demos.kit.linked import served
from demos.kit.offer import Offer
from demos.kit.predict import verdict
from demos.kit.stops import Stops
from demos.pruning import controls

SLUG = "pruning"
LESSON = read_lesson(Path(__file__).with_name("lesson.md"))
STOPS = Stops()
OFFER = Offer("The model", CHOICES, "The pocket model goes on.")

# These need torch, which the app's start does not wait for.
hub = Later("demos.kit.hub")
work = Later("demos.pruning.work")
figures = Later("demos.pruning.figures")
words = Later("demos.pruning.words")


def run(model, method, pattern, sparsity, matrix, sequences, answer):
    """One matrix of a model, pruned.

    Gives a remark about the model, the histograms, the maps, the caption, the formula, the verdict, the
    matrices to choose from, and whether the pattern leaves a choice of the sparsity. Where the model cannot
    be had, the pocket model runs.
    """
    settings = controls.settings_of(model, method, pattern, sparsity, matrix or "", sequences)
    remark = ""
    try:
        OFFER.require(model)
        key, seen = _see(settings)
    except hub.LoadError as error:
        remark = f"{error} {OFFER.goes_on}"
        settings = replace(settings, model=OFFER.pocket, matrix="")
        key, seen = _see(settings)
    row, column = words.edge(seen.trace)
    maps = figures.maps(seen, key, chosen=(row, column))
    s = seen.settings
    facts = {"key": key, "sweep": f"{s.model}, {s.pattern}, {s.sequences}"}
    free = s.pattern not in controls.FIXED
    shown = gr.update(interactive=free) if free else gr.update(interactive=False, value=100 * s.sparsity)
    return (
        remark,
        figures.bars(seen) | facts,
        served(maps),
        words.caption(seen, tuple(maps.facts["cells"])),
        words.formula(seen, row, column),
        verdict(LESSON, answer, *words.outcome(seen)),
        gr.update(choices=list(seen.names), value=seen.matrix.name),
        shown,
    )


def _see(settings):
    """The run and its key, which is the same whether the model's first matrix was named or not."""
    key, seen = work.MATRICES.run(settings, lambda: work.see(settings))
    if settings.matrix:
        return key, seen
    return work.MATRICES.run(replace(settings, matrix=seen.matrix.name), lambda: seen)


def take(maps):
    """The formula with the numbers of the entry that was chosen in the maps."""
    seen = work.MATRICES.find(field(maps, "key"))
    place = whole_numbers(maps, "chosen", 2, "An entry")
    return (within(words.formula, seen, *place),)


@answering_script
def region(request: dict) -> dict:
    """A window of the maps. request: key of the run; window: top, left, height, width.

    Returns what the maps' value is, or {"error": one sentence}.
    """
    seen = work.MATRICES.find(field(request, "key"))
    return served(figures.maps(seen, request["key"], whole_numbers(request, "window", 4, "A window")))


def interrupt(does, request: gr.Request) -> None:
    """A click that changes the plan ends the measurement of the old one, which would write over it."""
    if does != controls.SHOW:
        STOPS.stop(request.session_hash)


def stop(request: gr.Request) -> None:
    """Ends the visitor's runs before the next pass of a model."""
    STOPS.stop(request.session_hash)
