"""What the events of structured pruning do: show the run that ships, run the visitor's, stop it."""

import functools
from collections.abc import Callable
from contextlib import contextmanager

import gradio as gr

from demos.kit.events import answering
from demos.kit.inputs import InputError
from demos.kit.later import Later
from demos.kit.linked import served
from demos.kit.stops import StoppedError, Stops
from demos.pruning import shear_controls as controls

STOPS = Stops()
AT_ONCE = 2  # runs, of all visitors

# These need torch, which the app's start does not wait for.
hub = Later("demos.kit.hub")
work = Later("demos.pruning.shear_work")
figures = Later("demos.pruning.shear_figures")
words = Later("demos.pruning.shear_words")


def first(shown, request: gr.Request):
    """The run that ships, where nothing is shown yet."""
    if isinstance(shown, dict) and "key" in shown:
        yield gr.skip(), gr.skip()
    else:
        yield from prepared(request)


def prepared(request: gr.Request):
    """The run that ships. Yields the picture and the caption, and the caption once times are measured."""
    with _alone(request) as check:
        try:
            runs = work.RUNS.stream("prepared", lambda: work.prepared_run(check))
            for n, (key, run) in enumerate(runs):
                picture = served(figures.view(run, key, "", all_frames=True)) if n == 0 else gr.skip()
                yield picture, words.caption(run)
        except StoppedError:
            yield gr.skip(), gr.skip()


def asked(*settings):
    """Gives the caption while a run waits for its turn. Raises InputError as `shear` for its settings."""
    controls.plan_of(*settings)
    return (
        f"Waiting for a place: {AT_ONCE} of these runs go on at a time. A run that somebody else began with "
        "the same settings is shown when it ends.",
    )


def shear(source, layers, width, heads, units, steps, training, seed, gate_rate, rate, request: gr.Request):
    """The visitor's run. Yields the picture and the caption as it grows.

    Stopped, it keeps what it showed, with all steps to walk through.
    """
    plan = controls.plan_of(source, layers, width, heads, units, steps, training, seed, gate_rate, rate)
    with _alone(request) as check:
        key, run = "", None
        try:
            for key, run in work.RUNS.stream(plan, lambda: work.shearing(plan, check)):
                picture = figures.view(run, key, words.told(run), all_frames=run.done)
                yield served(picture), words.caption(run)
        except StoppedError:
            if run is None:
                yield gr.skip(), words.stopped(None)
            else:
                picture = figures.view(run, key, words.stopped(run), all_frames=True)
                yield served(picture), words.caption(run)


@contextmanager
def _alone(request: gr.Request):
    """The check of a visitor's only run; models or texts that cannot be had are a sentence."""
    if STOPS.running(request.session_hash):
        raise InputError("One run at a time is expected; one is on: stop it, or wait for its end.")
    with STOPS.run(request.session_hash) as check:
        try:
            yield check
        except hub.LoadError as error:
            raise InputError(str(error)) from error


def stop(request: gr.Request) -> None:
    """Ends the visitor's run before its next step."""
    STOPS.stop(request.session_hash)


def shape(name: str, source) -> tuple:
    """The numbers of a target: "paper", or two thirds of the source."""
    return controls.PAPER if name == "paper" else controls.two_thirds(controls.source_of(source))


def limits(source) -> tuple:
    """The sliders of the target for another source: as far as its shape goes, at two thirds of it."""
    sizes, values = controls.sizes_of(controls.source_of(source)), controls.two_thirds(source)
    return tuple(gr.update(maximum=most, value=value) for most, value in zip(sizes, values, strict=True))


def once(handler: Callable, outputs: int) -> Callable:
    """`answering` for a run that streams: what a second start says is not wiped away by the first run."""
    said = answering(handler, outputs)

    @functools.wraps(handler)
    def on_page(*inputs):
        for n, (sentence, *results) in enumerate(said(*inputs)):
            yield (gr.skip() if n and not sentence else sentence, *results)

    return on_page
