"""The page of the topic: its parts, and which event does what."""

from pathlib import Path

import gradio as gr

from demos.kit.events import answering, message
from demos.kit.lesson import FOLD_ON_PHONE, folding, foot, prose
from demos.kit.predict import question, recall
from demos.kit.source import source_of
from demos.kit.stages import to_stage
from demos.kit.topic import Topic
from demos.speculative_decoding.controls import OWN, TRIES, start
from demos.speculative_decoding.handlers import LESSON, OFFER, SLUG, hold_court, run, stop
from demos.speculative_decoding.view import court_view, race_view
from demos.speculative_decoding.widgets import race_widgets, samples_widget

HERE = Path(__file__).parent
CODE = "\n\n\n".join(
    (
        source_of(HERE / "algorithm.py", "speculate", "_block", "accept", "residual", "decode"),
        source_of(HERE / "drafts.py", "Cached", "ModelDraft", "PromptLookup"),
        source_of(HERE / "sampling.py", "Sampling", "draw"),
    )
)
# Few runs at a time, so that what they measure is their own time; downloads do not hold them up.
MODELS = {"concurrency_id": "models", "concurrency_limit": 2}


def set_up(changes: dict) -> list:
    """The settings of a thing to try: as at the start but for the changes, and the visitor's own stay."""
    return [gr.skip() if name in OWN else value for name, value in start(**changes).items()]


def build(kept: gr.BrowserState) -> None:
    """Draws the page inside the open tab."""
    with gr.Column(elem_classes="gb-topic", elem_id=SLUG):
        gr.Markdown(f"# {LESSON.title}\n{LESSON.lead}", elem_classes="gb-lead")
        answer, compared = question(LESSON, SLUG, kept)
        with gr.Row():
            with gr.Column(scale=1, min_width=240):
                with folding() as controls_fold:
                    settings, offered = race_widgets(OFFER)
                    with gr.Row():
                        go = gr.Button("Write", variant="primary", size="sm", min_width=80)
                        halt = gr.Button("Stop", size="sm", min_width=80)
                    gr.Markdown("**Try**")
                    tries = [gr.Button(name, size="sm") for name in LESSON.tries]
                for n, text in enumerate(LESSON.steps.values(), 1):
                    with gr.Column(elem_classes=["gb-stage", f"gb-stage-{n}"]):
                        prose(text)
            with gr.Column(scale=3, min_width=320):
                remark, alarm = message("speculation-remark"), message("speculation-alarm")
                view = race_view()
                with gr.Column(elem_classes=["gb-stage", "gb-stage-5"]):
                    with gr.Row():
                        samples = samples_widget()
                        judge = gr.Button("Draw the samples", variant="primary", size="sm")
                    court = court_view()
                    sentence = prose("", elem_id="speculation-sentence")
                caption = prose("", elem_id="speculation-caption")
        formula = foot(LESSON, CODE)

    quiet = {"show_progress": "hidden"}
    hidden = {"api_visibility": "private", **quiet}
    outputs = [alarm, remark, view, caption, formula, compared]
    shared = {"fn": answering(run, 5), "inputs": [*settings, answer], "outputs": outputs, **quiet, **MODELS}
    prompt, pair, *rest = settings
    moved = [go.click, prompt.submit, *[widget.input for widget in rest]]
    gr.on(moved, trigger_mode="always_last", api_name="speculative_decoding", **shared)
    view.shown(**shared, api_visibility="private")
    OFFER.connect(offered, view, shared)
    halt.click(stop, queue=False, **hidden)
    for button, (stage, changes) in zip(tries, TRIES, strict=True):
        button.click(lambda changes=changes: set_up(changes), None, settings, **hidden).then(
            **shared, api_visibility="private"
        ).then(None, None, None, js=to_stage(SLUG, stage), api_visibility="private")
    judge.click(
        answering(hold_court, 3),
        [prompt, pair, *settings[4:8], samples],
        [alarm, remark, court, sentence],
        api_name="speculative_decoding_court",
        **quiet,
        **MODELS,
    )
    view.shown(None, None, controls_fold, js=FOLD_ON_PHONE, **hidden)
    view.shown(None, kept, answer, js=recall(SLUG), **hidden)


TOPIC = Topic(
    SLUG,
    "Speculative decoding",
    "Speculative decoding",
    "Faster decoding",
    "A small model drafts, a large one checks, and the text follows exactly the large one's law.",
    build,
)
