"""The page of the topic: its parts, and which event does what."""

from pathlib import Path

import gradio as gr

from demos.kit.events import answering, message
from demos.kit.frame import PRIVATE, QUIET, frame
from demos.kit.lesson import prose
from demos.kit.source import source_of
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


def pictures() -> tuple[gr.HTML, gr.HTML, gr.Markdown]:
    """Alarm, view, caption."""
    return (
        message("speech-alarm"), speech_view([closeup, rebuild_sound]), prose("", elem_id="speech-caption"),
    )  # fmt: skip


def build(kept: gr.BrowserState) -> None:
    """Draws the page inside the open tab."""
    page = frame(
        LESSON, SLUG, kept, controls=lambda: (sound_widgets(), *form_widgets()), pictures=pictures, code=CODE,
        more_sources="\n".join(f"- Recipe {r.name}: {r.source}." for r in RECIPES.values()),
    )  # fmt: skip
    sounds, preset, line, form = page.controls
    alarm, view, caption = page.pictures
    inputs = [*sounds, preset, page.answer, *form]
    outputs = [alarm, view, caption, page.formula, line, page.compared]
    source, own, *tones = sounds
    moved = [widget.input for widget in (source, *tones, *form)]
    shared = {"fn": answering(run, len(outputs) - 1), "inputs": inputs, "outputs": outputs, **QUIET}
    gr.on(moved, trigger_mode="always_last", api_name="speech_features", **shared)
    for recorded in (own.upload, own.stop_recording):
        chosen = recorded(lambda: controls.OWN, None, source, **PRIVATE, **QUIET)
        chosen.then(**shared, **PRIVATE)
    filled = preset.input(
        lambda name: list(vars(controls.form_of(RECIPES[name])).values()), preset, form, **PRIVATE, **QUIET
    )
    filled.then(**shared, **PRIVATE)
    settings = [(stage, words.settings_of(changes)) for stage, changes in words.TRIES]
    page.connect_tries(settings, [source, *tones, preset, *form], shared)
    page.opened(view, shared)
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
