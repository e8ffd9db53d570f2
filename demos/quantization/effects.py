"""What the page's events show of a model in few bits: its text, its bytes and its time, its cache."""

import gradio as gr

from demos.kit.compressing import others_of, reading_of
from demos.kit.later import Later
from demos.kit.offer import stoppable
from demos.kit.stops import StoppedError
from demos.quantization import controls
from demos.quantization.handlers import OFFER, STOPS

# These need torch, which the app's start does not wait for.
trials = Later("demos.quantization.trials")
charts = Later("demos.quantization.charts")
words = Later("demos.quantization.words")
comparing = Later("demos.kit.comparing")


def write(
    model, scheme, matrix, sequences, threshold, prompt, temperature, seed, tokens, shown, request: gr.Request
):
    """The prompt continued by the full model and by the one in few bits. Yields texts and a sentence."""
    plan = OFFER.at_hand(controls.plan_of(model, scheme, sequences, threshold, others_of(shown)), others=())
    reading = reading_of(prompt, temperature, seed, tokens)
    name = f"the model in {plan.scheme}"
    with stoppable(STOPS, request) as check:
        written = None
        try:
            stream = trials.TEXTS.stream((plan, reading), lambda: trials.write(plan, reading, check))
            for _, written in stream:
                view = comparing.reading_value(written, ("The full model", f"In {plan.scheme}"))
                yield view, words.read(comparing.parting_words(written), written.pair.done, name)
        except StoppedError:
            yield gr.skip(), "Stopped."


def weigh(model, scheme, matrix, sequences, threshold, shown, request: gr.Request):
    """Bytes and milliseconds of the model in its forms. Yields the chart and the table as they grow."""
    plan = OFFER.at_hand(controls.plan_of(model, scheme, sequences, threshold, others_of(shown)), others=())
    with stoppable(STOPS, request) as check:
        try:
            # Measured anew each time: what the machine does now is the question.
            for forms in trials.weigh(plan, check):
                yield charts.savings(forms), words.weighed(forms)
        except StoppedError:
            yield gr.skip(), "Stopped."


def remember(model, request: gr.Request):
    """A cache, then activations, of few bits. Yields both charts as they grow."""
    model = OFFER.pocket if OFFER.missing(model) else model
    with stoppable(STOPS, request) as check:
        points, active = (), ()
        try:
            for points, active in _remembered(model, check):
                done = len(active) == len(trials.ACTIVATIONS)
                yield charts.caches(points, "", bool(active)), charts.activations(active, "", done)
        except StoppedError:
            yield charts.caches(points, "Stopped.", True), charts.activations(active, "Stopped.", True)


def _remembered(model, check):
    for _, points in trials.CACHES.stream(("cache", model), lambda: trials.recalled(model, check)):
        yield points, ()
    for _, active in trials.ACTIVE.stream(("active", model), lambda: trials.activated(model, check)):
        yield points, active
