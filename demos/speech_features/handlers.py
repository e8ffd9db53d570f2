"""What the page's events do: one run, and closer looks at a run that is done."""

import base64
from inspect import Parameter, Signature, signature
from pathlib import Path

import numpy as np

from demos.kit.inputs import InputError
from demos.kit.lesson import read_lesson
from demos.kit.linked import served
from demos.kit.predict import verdict
from demos.kit.runs import Runs
from demos.speech_features import controls, words
from demos.speech_features.algorithm import SpeechTrace, extract
from demos.speech_features.closeup import compare_windows, correlate_bin, explain_cell
from demos.speech_features.controls import FORM_FIELDS, Form
from demos.speech_features.figures import linked
from demos.speech_features.rebuild import rebuild
from demos.speech_features.sampling import audible

SLUG = "speech-features"
LESSON = read_lesson(Path(__file__).with_name("lesson.md"))
RUNS: Runs[SpeechTrace] = Runs(max_bytes=1_500_000_000, seconds=1800, size=lambda trace: trace.nbytes)


def run(source, own, kind, first_hz, second_hz, preset, answer, *form):
    """The sound through the recipe: the picture, the caption, the formula, the badge, the verdict."""
    sound = controls.sound_of(source, own, kind, first_hz, second_hz)
    recipe = controls.recipe_of(Form(*form))
    name = controls.sound_key(source, own, sound, kind, first_hz, second_hz)

    def make() -> SpeechTrace:
        try:
            return extract(sound.samples, sound.rate, recipe)
        except ValueError as error:
            raise InputError(str(error)) from None

    key, trace = RUNS.run((name, recipe), make)
    return (
        served(linked(trace, key, repr(name))),
        words.caption(trace, sound.notices),
        words.formula(trace),
        controls.badge(recipe, preset),
        verdict(LESSON, answer, *words.outcome(trace)),
    )


# So that the API calls the recipe's settings by their names.
_first = list(signature(run).parameters)[:-1]
run.__signature__ = Signature(
    [Parameter(name, Parameter.POSITIONAL_OR_KEYWORD) for name in (*_first, *FORM_FIELDS)]
)


def closeup(request: dict) -> dict:
    """Where one cell's number comes from. request: key of the run, frame, band, bin.

    Returns the evidence as plain lists (see `words.evidence`), or {"error": one sentence}.
    """
    try:
        trace, frame, band, k = _asked(request, "frame", "band", "bin")
        return words.evidence(
            explain_cell(trace, frame, band),
            correlate_bin(trace, frame, k),
            compare_windows(trace, frame),
        )
    except ValueError as error:
        return {"error": str(error)}


def rebuild_sound(request: dict) -> dict:
    """The sound that the log-mel picture alone can give back. request: key of the run.

    Returns {"rate": Hz, "samples": base64 of little-endian 16-bit samples}, or {"error": sentence}.
    """
    try:
        (trace,) = _asked(request)
    except ValueError as error:
        return {"error": str(error)}
    samples, rate = audible(rebuild(trace), trace.recipe.sample_rate)
    whole = np.rint(np.clip(samples, -1, 1) * 32767).astype("<i2")
    return {"rate": rate, "samples": base64.b64encode(whole.tobytes()).decode()}


def _asked(request: dict, *names: str) -> list:
    """The run that a request names by its key, and the whole numbers under `names`."""
    try:
        key, numbers = str(request["key"]), [int(request[name]) for name in names]
    except (KeyError, TypeError, ValueError):
        wanted = ", ".join(("key", *names))
        raise InputError(f"A request must name {wanted} (numbers whole); got {request!r:.80}.") from None
    return [RUNS.find(key), *numbers]
