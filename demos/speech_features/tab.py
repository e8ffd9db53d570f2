"""The page of the topic: its parts, and which event does what."""

from pathlib import Path

import gradio as gr

from demos.kit.events import answering, message
from demos.kit.lesson import FOLD_ON_PHONE, folding, foot, prose
from demos.kit.predict import question, recall
from demos.kit.source import source_of
from demos.kit.stages import to_stage
from demos.kit.topic import Topic
from demos.speech_features import controls, words
from demos.speech_features.handlers import LESSON, SLUG, closeup, rebuild_sound, run
from demos.speech_features.recipes import RECIPES
from demos.speech_features.view import speech_view
from demos.speech_features.widgets import form_widgets, sound_widgets

# What ran, the whole first and its parts in the order in which it calls them.
HERE = Path(__file__).parent
CODE = "\n\n\n".join(
    (
        source_of(HERE / "algorithm.py", "extract", "cut", "prepare", "window_of", "dft"),
        source_of(HERE / "mel.py", "mel_filter_bank"),
        source_of(HERE / "algorithm.py", "logarithm", "normalise"),
    )
)


def build(kept: gr.BrowserState) -> None:
    """Draws the page inside the open tab."""
    with gr.Column(elem_classes="gb-topic", elem_id=SLUG):
        gr.Markdown(f"# {LESSON.title}\n{LESSON.lead}", elem_classes="gb-lead")
        answer, compared = question(LESSON, SLUG, kept)
        with gr.Row():
            with gr.Column(scale=1, min_width=240):
                with folding() as controls_fold:
                    sounds = sound_widgets()
                    preset, line, form = form_widgets()
                    gr.Markdown("**Try**")
                    tries = [gr.Button(name, size="sm") for name in LESSON.tries]
                for n, text in enumerate(LESSON.steps.values(), 1):
                    with gr.Column(elem_classes=["gb-stage", f"gb-stage-{n}"]):
                        prose(text)
            with gr.Column(scale=3, min_width=320):
                alarm = message("speech-alarm")
                view = speech_view([closeup, rebuild_sound])
                caption = prose("", elem_id="speech-caption")
        formula = foot(LESSON, CODE, "\n".join(f"- Recipe {r.name}: {r.source}." for r in RECIPES.values()))

    inputs = [*sounds, preset, answer, *form]
    outputs = [alarm, view, caption, formula, line, compared]
    on_page = answering(run, len(outputs) - 1)
    quiet = {"show_progress": "hidden"}
    source, own, *tones = sounds
    moved = [widget.input for widget in (source, *tones, *form)]
    shared = {"fn": on_page, "inputs": inputs, "outputs": outputs, **quiet}
    gr.on(moved, trigger_mode="always_last", api_name="speech_features", **shared)
    view.shown(**shared, api_visibility="private")
    for recorded in (own.upload, own.stop_recording):
        recorded(lambda: controls.OWN, None, source, api_visibility="private", **quiet).then(
            **shared, api_visibility="private"
        )
    preset.input(
        lambda name: list(vars(controls.form_of(RECIPES[name])).values()),
        preset,
        form,
        api_visibility="private",
        **quiet,
    ).then(**shared, api_visibility="private")
    changed = [source, *tones, preset, *form]
    for button, (stage, settings) in zip(tries, words.TRIES, strict=True):
        button.click(
            lambda settings=settings: words.settings_of(settings),
            None,
            changed,
            api_visibility="private",
            **quiet,
        ).then(**shared, api_visibility="private").then(
            None, None, None, js=to_stage(SLUG, stage), api_visibility="private"
        )
    view.shown(None, None, controls_fold, js=FOLD_ON_PHONE, api_visibility="private", **quiet)
    view.shown(None, kept, answer, js=recall(SLUG), api_visibility="private", **quiet)
    gr.api(closeup, api_name="speech_features_closeup")
    gr.api(rebuild_sound, api_name="speech_features_rebuild")


TOPIC = Topic(
    SLUG,
    "Speech features",
    "Speech features",
    "Speech",
    "A sound becomes the log-mel picture that speech models read, in seven steps on one cursor.",
    build,
)
