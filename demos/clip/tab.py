"""The page of the topic: its parts, and which event does what."""

from pathlib import Path

import gradio as gr

from demos.clip import handlers, questions
from demos.clip.handlers import LESSON, OFFER, SLUG
from demos.clip.view import clip_view
from demos.clip.widgets import clip_widgets
from demos.kit.events import answering, message
from demos.kit.lesson import FOLD_ON_PHONE, folding, foot, prose
from demos.kit.predict import question, recall
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


def build(kept: gr.BrowserState) -> None:
    """Draws the page inside the open tab."""
    with gr.Column(elem_classes="gb-topic", elem_id=SLUG):
        gr.Markdown(f"# {LESSON.title}\n{LESSON.lead}", elem_classes="gb-lead")
        answer, compared = question(LESSON, SLUG, kept)
        with gr.Row():
            with gr.Column(scale=1, min_width=240):
                with folding() as controls_fold:
                    own, offered = clip_widgets(OFFER)
                    gr.Markdown("**Try**")
                    tries = [gr.Button(name, size="sm") for name in LESSON.tries]
                for n, text in enumerate(LESSON.steps.values(), 1):
                    with gr.Column(elem_classes=["gb-stage", f"gb-stage-{n}"]):
                        prose(text)
            with gr.Column(scale=3, min_width=320):
                remark, alarm = message("clip-remark"), message("clip-alarm")
                view = clip_view(list(ASKED))
                caption = prose("", elem_id="clip-caption")
        formula = foot(LESSON, CODE)

    quiet = {"show_progress": "hidden"}
    hidden = {"api_visibility": "private", **quiet}
    model = offered.choice
    outputs = [alarm, remark, view, caption, formula, compared]
    shared = {
        "fn": answering(handlers.run, 5),
        "inputs": [view, model, answer],
        "outputs": outputs,
        **quiet,
        **MODELS,
    }
    view.changed(trigger_mode="always_last", api_name="clip_contrast", **shared)
    view.shown(**shared, api_visibility="private")
    answer.input(**shared, api_visibility="private")
    OFFER.connect(offered, view, shared)
    brought = answering(lambda came: (handlers.bring(came) if came else gr.skip(),), 1)
    own.input(brought, own, [alarm, view], trigger_mode="always_last", **hidden)
    trained = answering(handlers.train, 2)
    view.train(trained, [view, model], [alarm, remark, view], **hidden, **MODELS)
    view.halt(handlers.stop, queue=False, **hidden)
    for n, button in enumerate(tries, 1):
        button.click(None, None, None, js=TRY.format(slug=SLUG, n=n), **hidden)
    view.shown(None, None, controls_fold, js=FOLD_ON_PHONE, **hidden)
    view.shown(None, kept, answer, js=recall(SLUG), **hidden)
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
