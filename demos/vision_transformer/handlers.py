"""What the page's events do: one run, and further questions about a run that is done."""

from dataclasses import replace
from pathlib import Path

import gradio as gr

from demos.kit.asked import answering_script
from demos.kit.inputs import InputError
from demos.kit.later import Later
from demos.kit.lesson import read_lesson
from demos.kit.linked import served
from demos.kit.offer import Offer
from demos.kit.predict import verdict
from demos.kit.raw import base64_of, rgba
from demos.vision_transformer import controls

SLUG = "vision-transformer"
LESSON = read_lesson(Path(__file__).with_name("lesson.md"))
OFFER = Offer("The model", controls.CHOICES, "The pocket model goes on.")

# These need torch, which the app's start does not wait for.
hub = Later("demos.kit.hub")
work = Later("demos.vision_transformer.work")
figures = Later("demos.vision_transformer.figures")
words = Later("demos.vision_transformer.words")


def run(source, own, model, positions, shuffle, seed, crop, right, down, answer):
    """A picture through a Vision Transformer.

    Gives a remark about the model, the picture, the caption, the formula and the verdict. Where the model
    cannot be had the remark says why, and the pocket model runs.
    """
    name, picture = controls.picture_of(source, own)
    settings = controls.settings_of(name, model, positions, shuffle, seed, crop, right, down)
    remark = ""
    try:
        OFFER.require(model)
        key, seen = _see(settings, picture)
    except hub.LoadError as error:
        remark = f"{error} {OFFER.goes_on}"
        settings = replace(settings, model=OFFER.pocket)
        key, seen = _see(settings, picture)
    view = figures.view(seen, key, name, settings.model)
    layers = [served(layer) for layer in view.layers]
    return (
        remark,
        served(view.main) | {"layers": layers},
        words.caption(seen, picture.notices, settings.model),
        words.formula(seen),
        verdict(LESSON, answer, *words.outcome(seen, settings.positions, bool(settings.shuffle))),
    )


def run_own(source, own, *rest):
    """`run` for a picture that was just brought: its source becomes the visitor's own, if it can be read."""
    if own is None:  # it was taken away
        return [gr.skip()] * 6
    return (controls.OWN, *run(controls.OWN, own, *rest))


def _see(settings, picture):
    return work.RUNS.run(settings, lambda: work.see(settings, picture.image))


@answering_script
def change(request: dict) -> dict:
    """What the model says with patches hidden and paint on the picture.

    request: key of the run; hidden, the patches' numbers; paint, None or base64 of H x W x 4 bytes.
    Returns {"bars", "likeness"} as in the run's value, or {"error": one sentence}.
    """
    seen = _asked(request)
    hidden = _numbers(request, "hidden", seen)
    now = work.change(seen, hidden, _image(request, seen))
    return {
        "bars": figures.bars(seen.untouched, now, seen.labels),
        "likeness": figures.likeness(seen.untouched, now, seen.labels),
    }


@answering_script
def explain(request: dict) -> dict:
    """Where the evidence for a class lies, by relevance. request: key of the run, target (a class).

    Returns {"map": base64 of a float32 for each patch, "words"}, or {"error": one sentence}.
    """
    seen = _asked(request)
    target = _class(request, seen)
    weights = work.explain(seen, target).numpy()
    return {"map": base64_of(weights), "words": words.explained(seen, target)}


@answering_script
def occlude(request: dict) -> dict:
    """A class's probability with each of some patches hidden.

    request: key of the run, target (a class), hidden (patches hidden already), asked (patches), paint.
    Returns {"probabilities": one for each asked patch}, or {"error": one sentence}.
    """
    seen = _asked(request)
    target = _class(request, seen)
    hidden, asked = _numbers(request, "hidden", seen), _numbers(request, "asked", seen)
    return {"probabilities": work.occlude(seen, _image(request, seen), target, hidden, asked)}


@answering_script
def compare(request: dict) -> dict:
    """The same picture through every model on this machine. request: key of the run.

    Returns {"rows": [{model, how, top: [[label, probability], ...]}]}, or {"error": one sentence}.
    """
    seen = _asked(request)
    rows = [words.compared(f"{seen.settings.model}, untrained", words.UNTRAINED, work.untrained(seen), seen)]
    for name, (spec,) in controls.CHOICES.items():
        if OFFER.missing(name):
            rows.append({"model": name, "how": f"{spec.trained} {words.ABSENT}", "top": []})
            continue
        settings = replace(seen.settings, model=name)
        _, other = work.RUNS.run(settings, lambda s=settings: work.see(s, seen.picture))
        rows.append(words.compared(name, spec.trained, other.answer, other))
    return {"rows": rows}


def _asked(request: object):
    """The run that a request names by its key."""
    if not isinstance(request, dict) or not isinstance(request.get("key"), str):
        raise InputError(f"A request must name the key of a run; got {request!r:.80}.")
    return work.RUNS.find(request["key"])


def _image(request: dict, seen):
    """The run's picture, under the paint that came with the request."""
    if not request.get("paint"):
        return seen.image
    return work.painted(seen, rgba(request["paint"], *seen.image.shape[1:], "Paint"))


def _numbers(request: dict, name: str, seen) -> list[int]:
    """Patches that a request lists. Raises InputError for what are none."""
    n = len(seen.trace.patches)
    given = request.get(name)
    fits = isinstance(given, list) and all(type(i) is int and 0 <= i < n for i in given)
    if not fits or len(given) > n:
        raise InputError(f"{name} must be a list of patches from 0 to {n - 1}; got {given!r:.80}.")
    return given


def _class(request: dict, seen) -> int:
    """The class that a request names. Raises InputError where the model has none, or not this one."""
    target, classes = request.get("target"), len(seen.labels)
    if not classes:
        raise InputError("This question is about a class; this model has none. Choose one that has.")
    if type(target) is not int or not 0 <= target < classes:
        raise InputError(f"target must be a class from 0 to {classes - 1}; got {target!r:.80}.")
    return target
