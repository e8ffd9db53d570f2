"""What the page's events do."""

from dataclasses import replace
from functools import partial
from pathlib import Path

import gradio as gr

from demos.kit.later import Later
from demos.kit.lesson import read_lesson
from demos.kit.predict import verdict
from demos.kit.stops import StoppedError, Stops
from demos.speculative_decoding import controls

SLUG = "speculative-decoding"
LESSON = read_lesson(Path(__file__).with_name("lesson.md"))
STOPS = Stops()

# These need torch, which the app's start does not wait for.
hub = Later("demos.kit.hub")
work = Later("demos.speculative_decoding.work")
figures = Later("demos.speculative_decoding.figures")
words = Later("demos.speculative_decoding.words")


def run(
    prompt, pair, source, draft_length, temperature, top_k, top_p, seed, tokens, answer, request: gr.Request
):
    """The prompt continued by speculation, block by block, and by plain decoding, in turns.

    Yields a remark about the models, the picture, the caption, the formula and the verdict, each time
    with what is decided so far. Where a pair cannot be had the remark says why, and the pocket pair runs.
    """
    settings = controls.settings_of(
        prompt, pair, source, draft_length, temperature, top_k, top_p, seed, tokens
    )
    yield from _or_pocket(settings, request, partial(_written, answer))


def _or_pocket(settings, request, stream):
    """stream(settings, check, remark), by the pocket pair where the pair that was asked for cannot be had."""
    with STOPS.run(request.session_hash) as check:
        try:
            names = " and ".join(spec.title for spec in work.missing(settings.pair))
            if names:
                raise hub.LoadError(f"{names} must be downloaded first, with the button under the models.")
            yield from stream(settings, check, "")
        except hub.LoadError as error:
            pocket = replace(settings, pair=controls.POCKET_PAIR)
            yield from stream(pocket, check, f"{error} The pocket pair goes on.")


def _written(answer, settings, check, remark):
    race = None
    try:
        for key, (race, texts) in work.RUNS.stream(settings, lambda: work.write(settings, check)):
            yield (
                remark,
                figures.race_view(race, key, texts),
                words.caption(race, settings),
                words.formula(race),
                verdict(LESSON, answer, *words.outcome(race, settings)),
            )
    except StoppedError:
        yield remark, gr.skip(), words.stopped(race), "", ""


def hold_court(prompt, pair, temperature, top_k, top_p, seed, samples, request: gr.Request):
    """Many samples of the first two tokens under each rule. Yields a remark as `run`, picture, caption."""
    settings = controls.court_settings_of(prompt, pair, temperature, top_k, top_p, seed, samples)
    yield from _or_pocket(settings, request, _heard)


def _heard(settings, check, remark):
    hearings = ()
    yield remark, gr.skip(), "Running the models after the likeliest tokens …"
    try:
        for _, hearings in work.HEARINGS.stream(settings, lambda: work.hold_court(settings, check)):
            acting = "" if hearings[-1].samples == settings.samples else "Sampling …"
            view = figures.court_view(hearings, settings.samples, acting)
            yield remark, view, words.court_caption(hearings[-1], settings)
    except StoppedError:
        if not hearings:
            yield remark, gr.skip(), "Stopped before the first samples."
            return
        view = figures.court_view(hearings, settings.samples, "Stopped after")
        yield remark, view, words.court_caption(hearings[-1], settings)


def stop(request: gr.Request) -> None:
    """Ends the visitor's run before the next pass of a model."""
    STOPS.stop(request.session_hash)


def describe(pair):
    """What a pair costs before it is downloaded, and whether there is something to download."""
    absent = work.missing(controls.check_choice("The pair of models", pair, controls.PAIR_NAMES))
    lines = [words.model_line(spec, spec in absent) for spec in controls.PAIRS[pair]]
    return "\n".join(lines), gr.update(visible=bool(absent))


def download(pair, progress=gr.Progress()):  # noqa: B008, Gradio finds its bar by this default
    """Both models of the pair on disk. Gives a remark where one cannot be had, and the pair to go on with."""
    controls.check_choice("The pair of models", pair, controls.PAIR_NAMES)

    def show(done: int, total: int) -> None:
        progress((done, total), desc=f"{done / 1e6:,.0f} of {total / 1e6:,.0f} MB", unit="bytes")

    try:
        work.fetch_pair(pair, show)
    except hub.LoadError as error:
        return f"{error} The pocket pair goes on.", controls.POCKET_PAIR
    return "", pair
