"""The page of the topic: its parts, and which event does what."""

from pathlib import Path

import gradio as gr

from demos.kit.events import answering, message
from demos.kit.lesson import FOLD_ON_PHONE, folding, foot, prose
from demos.kit.predict import question, recall
from demos.kit.source import source_of
from demos.kit.stages import to_stage
from demos.kit.topic import Topic
from demos.vision_transformer.controls import TRIES, start
from demos.vision_transformer.handlers import (
    LESSON,
    OFFER,
    SLUG,
    change,
    compare,
    explain,
    occlude,
    run,
    run_own,
)
from demos.vision_transformer.view import vit_view
from demos.vision_transformer.widgets import vit_widgets

HERE = Path(__file__).parent
CODE = "\n\n\n".join(
    (
        source_of(HERE / "algorithm.py", "look", "cut", "encode", "attention"),
        source_of(HERE / "relevance.py", "rollout", "relevance"),
    )
)
MODELS = {"concurrency_id": "models", "concurrency_limit": 2}


def set_up(changes: dict) -> list:
    """The settings of a thing to try: as at the start but for the changes; the visitor's own stay."""
    own = {"source", "own", "model"} - changes.keys()
    return [gr.skip() if name in own else value for name, value in start(**changes).items()]


def build(kept: gr.BrowserState) -> None:
    """Draws the page inside the open tab."""
    with gr.Column(elem_classes="gb-topic", elem_id=SLUG):
        gr.Markdown(f"# {LESSON.title}\n{LESSON.lead}", elem_classes="gb-lead")
        answer, compared = question(LESSON, SLUG, kept)
        with gr.Row():
            with gr.Column(scale=1, min_width=240):
                with folding() as controls_fold:
                    settings, offered = vit_widgets(OFFER)
                    gr.Markdown("**Try**")
                    tries = [gr.Button(name, size="sm") for name in LESSON.tries]
                for n, text in enumerate(LESSON.steps.values(), 1):
                    with gr.Column(elem_classes=["gb-stage", f"gb-stage-{n}"]):
                        prose(text)
            with gr.Column(scale=3, min_width=320):
                remark, alarm = message("vit-remark"), message("vit-alarm")
                view = vit_view([change, explain, occlude, compare])
                caption = prose("", elem_id="vit-caption")
        formula = foot(LESSON, CODE)

    quiet = {"show_progress": "hidden"}
    hidden = {"api_visibility": "private", **quiet}
    outputs = [alarm, remark, view, caption, formula, compared]
    shared = {"fn": answering(run, 5), "inputs": [*settings, answer], "outputs": outputs, **quiet, **MODELS}
    source, own, _, *rest = settings
    moved = [widget.input for widget in (source, *rest)]
    gr.on(moved, trigger_mode="always_last", api_name="vision_transformer", **shared)
    view.shown(**shared, api_visibility="private")
    OFFER.connect(offered, view, shared)
    brought = {"fn": answering(run_own, 6), "inputs": [*settings, answer], **hidden, **MODELS}
    own.input(outputs=[alarm, source, *outputs[1:]], trigger_mode="always_last", **brought)
    answer.input(**shared, api_visibility="private")
    for button, (stage, changes) in zip(tries, TRIES, strict=True):
        button.click(lambda changes=changes: set_up(changes), None, settings, **hidden).then(
            **shared, api_visibility="private"
        ).then(None, None, None, js=to_stage(SLUG, stage), api_visibility="private")
    view.shown(None, None, controls_fold, js=FOLD_ON_PHONE, **hidden)
    view.shown(None, kept, answer, js=recall(SLUG), **hidden)
    for name, function in (("change", change), ("explain", explain), ("occlude", occlude)):
        gr.api(function, api_name=f"vision_transformer_{name}")
    gr.api(compare, api_name="vision_transformer_compare")


TOPIC = Topic(
    SLUG,
    "Vision Transformer",
    "ViT",
    "Vision and language",
    "A picture becomes a sequence of patches, and a transformer reads it.",
    build,
)
