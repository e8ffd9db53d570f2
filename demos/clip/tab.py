"""The page of the topic: its parts, and which event does what."""

from pathlib import Path

import gradio as gr

from demos.clip import handlers, questions
from demos.clip.handlers import LESSON, OFFER, SLUG
from demos.clip.view import clip_view
from demos.clip.widgets import clip_widgets
from demos.kit.events import answering, message
from demos.kit.frame import PRIVATE, QUIET, frame
from demos.kit.lesson import prose
from demos.kit.source import source_of
from demos.kit.topic import Topic

HERE = Path(__file__).parent
CODE = "\n\n\n".join(
    (
        source_of(
            HERE / "algorithm.py", "contrast", "contrast_of", "sigmoid_loss", "classifier", "zero_shot_of"
        ),
        source_of(HERE / "training.py", "train"),
        source_of(HERE / "grounding.py", "nearest", "mix"),
        source_of(HERE / "where.py", "where", "value_path"),
    )
)
MODELS = {"concurrency_id": "models", "concurrency_limit": 2}
# What the view asks of a run's model: each answers {"error"} with a sentence where it cannot.
ASKED = (questions.zero_shot, questions.ground, questions.words_of, questions.where, questions.draw)
# A thing to try is done by the view's script, which holds the collection.
TRY = "() => {{ dispatchEvent(new CustomEvent('glassbox-try', {{detail: {{topic: '{slug}', n: {n}}}}})); }}"


def pictures() -> tuple[gr.HTML, gr.HTML, gr.HTML, gr.Markdown]:
    """Remark, alarm, view, caption."""
    return (
        message("clip-remark"), message("clip-alarm"), clip_view(list(ASKED)),
        prose("", elem_id="clip-caption"),
    )  # fmt: skip


def build(kept: gr.BrowserState) -> None:
    """Draws the page inside the open tab."""
    page = frame(LESSON, SLUG, kept, controls=lambda: clip_widgets(OFFER), pictures=pictures, code=CODE)
    own, offered = page.controls
    remark, alarm, view, caption = page.pictures
    model = offered.choice
    inputs = [view, model, page.answer]
    outputs = [alarm, remark, view, caption, page.formula, page.compared]
    shared = {"fn": answering(handlers.run, 5), "inputs": inputs, "outputs": outputs, **QUIET, **MODELS}
    view.changed(trigger_mode="always_last", api_name="clip_contrast", **shared)
    OFFER.connect(offered, view, shared)
    brought = answering(lambda came: (handlers.bring(came) if came else gr.skip(),), 1)
    own.input(brought, own, [alarm, view], trigger_mode="always_last", **PRIVATE, **QUIET)
    trained = answering(handlers.train, 2)
    view.train(trained, [view, model], [alarm, remark, view], **PRIVATE, **QUIET, **MODELS)
    view.halt(handlers.stop, queue=False, **PRIVATE, **QUIET)
    for n, button in enumerate(page.tries, 1):
        button.click(None, None, None, js=TRY.format(slug=SLUG, n=n), **PRIVATE, **QUIET)
    page.opened(view, shared)
    for function in ASKED:
        gr.api(function, api_name=f"clip_{function.__name__}")


TOPIC = Topic(
    SLUG,
    "Grounding and CLIP",
    "CLIP",
    "Vision and language",
    "Pictures and words meet in one space; what does the word spoon evoke?",
    build,
)
