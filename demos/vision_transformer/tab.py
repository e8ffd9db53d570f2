"""The page of the topic: its parts, and which event does what."""

from pathlib import Path

import gradio as gr

from demos.kit.events import answering, message
from demos.kit.frame import PRIVATE, QUIET, frame
from demos.kit.lesson import prose
from demos.kit.source import source_of
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
# What the view asks of a run that is done.
ASKED = (change, explain, occlude, compare)
MODELS = {"concurrency_id": "models", "concurrency_limit": 2}


def set_up(changes: dict) -> list:
    """The settings of a thing to try: as at the start but for the changes; the visitor's own stay."""
    own = {"source", "own", "model"} - changes.keys()
    return [gr.skip() if name in own else value for name, value in start(**changes).items()]


def pictures() -> tuple[gr.HTML, gr.HTML, gr.HTML, gr.Markdown]:
    """Remark, alarm, view, caption."""
    return (
        message("vit-remark"), message("vit-alarm"), vit_view(list(ASKED)), prose("", elem_id="vit-caption"),
    )  # fmt: skip


def build(kept: gr.BrowserState) -> None:
    """Draws the page inside the open tab."""
    page = frame(LESSON, SLUG, kept, controls=lambda: vit_widgets(OFFER), pictures=pictures, code=CODE)
    settings, offered = page.controls
    remark, alarm, view, caption = page.pictures
    inputs = [*settings, page.answer]
    outputs = [alarm, remark, view, caption, page.formula, page.compared]
    shared = {"fn": answering(run, 5), "inputs": inputs, "outputs": outputs, **QUIET, **MODELS}
    source, own, _, *rest = settings
    moved = [widget.input for widget in (source, *rest)]
    gr.on(moved, trigger_mode="always_last", api_name="vision_transformer", **shared)
    OFFER.connect(offered, view, shared)
    own.input(
        answering(run_own, 6), inputs, [alarm, source, *outputs[1:]], trigger_mode="always_last",
        **PRIVATE, **QUIET, **MODELS,
    )  # fmt: skip
    page.connect_tries([(stage, set_up(changes)) for stage, changes in TRIES], settings, shared)
    page.opened(view, shared)
    for function in ASKED:
        gr.api(function, api_name=f"vision_transformer_{function.__name__}")


TOPIC = Topic(
    SLUG,
    "Vision Transformer",
    "ViT",
    "Vision and language",
    "A picture becomes a sequence of patches, and a transformer reads it.",
    build,
)
