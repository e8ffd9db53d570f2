"""What the page's events show of a pruned model: its text, its bytes and its time, and its rival."""

import gradio as gr

from demos.kit.asked import answering_script, field, whole_numbers
from demos.kit.compressing import others_of, reading_of
from demos.kit.later import Later
from demos.kit.linked import served
from demos.kit.offer import stoppable
from demos.kit.stops import StoppedError
from demos.pruning import controls
from demos.pruning.handlers import OFFER, STOPS

# These need torch, which the app's start does not wait for.
work = Later("demos.pruning.work")
trials = Later("demos.pruning.trials")
against = Later("demos.pruning.against")
figures = Later("demos.pruning.figures")
charts = Later("demos.pruning.charts")
tables = Later("demos.pruning.tables")
comparing = Later("demos.kit.comparing")
saying = Later("demos.kit.saying")
device = Later("demos.kit.device")


def write(
    model,
    method,
    pattern,
    sparsity,
    matrix,
    sequences,
    prompt,
    temperature,
    seed,
    tokens,
    request: gr.Request,
):
    """The prompt continued by the full model and by the pruned one. Yields texts and a sentence."""
    plan = OFFER.at_hand(controls.plan_of(model, method, pattern, sparsity, sequences, {}), others=())
    reading = reading_of(prompt, temperature, seed, tokens)
    name = controls.point(plan.method, plan.sparsity)
    with stoppable(STOPS, request) as check:
        try:
            stream = trials.TEXTS.stream((plan, reading), lambda: trials.write(plan, reading, check))
            for _, written in stream:
                view = comparing.reading_value(written, ("The full model", name))
                parting = comparing.parting_words(written)
                yield view, saying.parted(parting, written.pair.done, "the pruned one", "cut")
        except StoppedError:
            yield gr.skip(), "Stopped."


def weigh(model, method, pattern, sparsity, matrix, sequences, shown, request: gr.Request):
    """Bytes and milliseconds of a matrix and of the model. Yields the tables and the chart as they grow."""
    settings = OFFER.at_hand(
        controls.settings_of(model, method, pattern, sparsity, matrix or "", sequences), matrix=""
    )
    plan = OFFER.at_hand(
        controls.plan_of(model, method, pattern, sparsity, sequences, others_of(shown)), others=()
    )
    with stoppable(STOPS, request) as check:
        try:
            # Measured anew each time: what the machine does now is the question.
            for found in trials.weigh(settings, plan, check):
                of_matrix = tables.matrix_table(found.matrix, found.name, plan.pattern, device.device_name())
                of_model = tables.model_table(found.models, found.refused, found.done) if found.models else ""
                yield of_matrix, charts.savings(found.models), of_model
        except StoppedError:
            yield gr.skip(), gr.skip(), gr.skip()


def rival(model, method, pattern, sparsity, matrix, sequences, scheme, request: gr.Request):
    """One matrix and the whole model at equal bytes. Yields maps, a table of each, the second one growing."""
    settings = OFFER.at_hand(
        controls.settings_of(model, method, pattern, sparsity, matrix or "", sequences), matrix=""
    )
    scheme = controls.rival_of(scheme)
    plan = OFFER.at_hand(controls.plan_of(model, method, pattern, sparsity, sequences, {}), others=())
    with stoppable(STOPS, request) as check:
        try:
            key, equal = against.EQUALS.run((settings, scheme), lambda: against.equal(settings, scheme))
            maps, said = served(figures.equal_maps(equal, key)), tables.equal_words(equal)
            yield maps, said, ""
            for _, found in _contested(plan, scheme, check):
                yield gr.skip(), said, tables.contest_table(found.rows, found.refused, found.done)
        except StoppedError:
            yield gr.skip(), gr.skip(), "Stopped."


def _contested(plan, scheme, check):
    return against.MODELS.stream((plan, scheme), lambda: against.contest(plan, scheme, check))


def rivals(model, method, pattern, sparsity, matrix, sequences, request: gr.Request):
    """Perplexity against bits of all three, at several widths. Yields the curve as it grows."""
    plan = OFFER.at_hand(controls.plan_of(model, method, pattern, sparsity, sequences, {}), others=())
    with stoppable(STOPS, request) as check:
        points = {}
        try:
            for points in against.contests(plan, check):
                done = len(points) == len(controls.WIDTHS) and list(points.values())[-1].done
                told = "" if done else f"{len(points)} of {len(controls.WIDTHS)} widths"
                yield (_equals(points, told, done),)
        except StoppedError:
            yield (_equals(points, f"Stopped after {len(points)} widths.", True),)


def _equals(points, told, done):
    return charts.equals({scheme: found.rows for scheme, found in points.items()}, told, done)


@answering_script
def region(request: dict) -> dict:
    """A window of the maps at equal bytes, as of the maps of stage 1."""
    equal = against.EQUALS.find(field(request, "key"))
    return served(figures.equal_maps(equal, request["key"], whole_numbers(request, "window", 4, "A window")))
