"""What the page's events do."""

from dataclasses import replace
from functools import partial
from pathlib import Path

import gradio as gr

from demos.kit.later import Later
from demos.kit.lesson import read_lesson
from demos.kit.offer import Offer
from demos.kit.predict import verdict
from demos.kit.stops import StoppedError, Stops
from demos.speculative_decoding import controls

SLUG = "speculative-decoding"
LESSON = read_lesson(Path(__file__).with_name("lesson.md"))
STOPS = Stops()
OFFER = Offer("The pair of models", controls.PAIRS, "The pocket pair goes on.")

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
            OFFER.require(settings.pair)
            yield from stream(settings, check, "")
        except hub.LoadError as error:
            pocket = replace(settings, pair=OFFER.pocket)
            yield from stream(pocket, check, f"{error} {OFFER.goes_on}")


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
