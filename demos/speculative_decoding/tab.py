"""The page of the topic: its parts, and which event does what."""

from pathlib import Path

import gradio as gr

from demos.kit.events import answering, message
from demos.kit.frame import PRIVATE, QUIET, frame, stage
from demos.kit.lesson import prose
from demos.kit.offer import Offered
from demos.kit.source import source_of
from demos.kit.topic import Topic
from demos.speculative_decoding.controls import OWN, TRIES, start
from demos.speculative_decoding.handlers import LESSON, OFFER, SLUG, hold_court, run, stop
from demos.speculative_decoding.view import court_view, race_view
from demos.speculative_decoding.widgets import race_widgets, samples_widget

HERE = Path(__file__).parent
KIT = HERE.parent / "kit"
CODE = "\n\n\n".join(
    (
        source_of(HERE / "algorithm.py", "speculate", "_block", "accept", "residual"),
        source_of(HERE / "drafts.py", "ModelDraft", "PromptLookup"),
        source_of(KIT / "decoding.py", "decode", "Cached"),
        source_of(KIT / "sampling.py", "Sampling", "draw"),
    )
)
# Few runs at a time, so that what they measure is their own time; downloads do not hold them up.
MODELS = {"concurrency_id": "models", "concurrency_limit": 2}


def set_up(changes: dict) -> list:
    """The settings of a thing to try: as at the start but for the changes, and the visitor's own stay."""
    return [gr.skip() if name in OWN else value for name, value in start(**changes).items()]


def controls() -> tuple[list, Offered, gr.Button, gr.Button]:
    """The settings, the choice of models among them, and the buttons that begin and end a run."""
    settings, offered = race_widgets(OFFER)
    with gr.Row():
        go = gr.Button("Write", variant="primary", size="sm", min_width=80)
        halt = gr.Button("Stop", size="sm", min_width=80)
    return settings, offered, go, halt


def pictures() -> dict[str, gr.components.Component]:
    """The race, and on its last stage the court."""
    drawn = {
        "remark": message("speculation-remark"),
        "alarm": message("speculation-alarm"),
        "view": race_view(),
    }
    with stage(5):
        with gr.Row():
            drawn["samples"] = samples_widget()
            drawn["judge"] = gr.Button("Draw the samples", variant="primary", size="sm")
        drawn["court"] = court_view()
        drawn["sentence"] = prose("", elem_id="speculation-sentence")
    return drawn | {"caption": prose("", elem_id="speculation-caption")}


def build(kept: gr.BrowserState) -> None:
    """Draws the page inside the open tab."""
    page = frame(LESSON, SLUG, kept, controls=controls, pictures=pictures, code=CODE)
    settings, offered, go, halt = page.controls
    drawn = page.pictures
    alarm, remark, view = drawn["alarm"], drawn["remark"], drawn["view"]
    inputs = [*settings, page.answer]
    outputs = [alarm, remark, view, drawn["caption"], page.formula, page.compared]
    shared = {"fn": answering(run, 5), "inputs": inputs, "outputs": outputs, **QUIET, **MODELS}
    prompt, pair, *rest = settings
    moved = [go.click, prompt.submit, *[widget.input for widget in rest]]
    gr.on(moved, trigger_mode="always_last", api_name="speculative_decoding", **shared)
    OFFER.connect(offered, view, shared)
    halt.click(stop, queue=False, **PRIVATE, **QUIET)
    page.connect_tries([(n, set_up(changes)) for n, changes in TRIES], settings, shared)
    drawn["judge"].click(
        answering(hold_court, 3),
        [prompt, pair, *settings[4:8], drawn["samples"]],
        [alarm, remark, drawn["court"], drawn["sentence"]],
        api_name="speculative_decoding_court",
        **QUIET,
        **MODELS,
    )
    page.opened(view, shared)


TOPIC = Topic(
    SLUG,
    "Speculative decoding",
    "Speculative decoding",
    "Faster decoding",
    "A small model drafts, a large one checks, and the text follows exactly the large one's law.",
    build,
)
