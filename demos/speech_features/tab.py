"""The page of the topic: controls, one handler for the run, two for a closer look."""

import base64
import inspect
from pathlib import Path

import gradio as gr
import numpy as np

from demos.kit.events import answering, message
from demos.kit.inputs import InputError
from demos.kit.lesson import prose, read_lesson
from demos.kit.predict import question, recall, verdict
from demos.kit.runs import Runs
from demos.kit.topic import Topic
from demos.speech_features import algorithm, controls, words
from demos.speech_features.algorithm import SpeechTrace, extract
from demos.speech_features.closeup import compare_windows, correlate_bin, explain_cell
from demos.speech_features.controls import OWN, Form
from demos.speech_features.figures import linked
from demos.speech_features.rebuild import rebuild
from demos.speech_features.recipes import RECIPES
from demos.speech_features.sampling import audible
from demos.speech_features.view import speech_view
from demos.speech_features.widgets import form_widgets, sound_widgets

SLUG = "speech-features"
LESSON = read_lesson(Path(__file__).with_name("lesson.md"))
RUNS: Runs[SpeechTrace] = Runs(max_bytes=1_500_000_000, seconds=1800, size=lambda trace: trace.nbytes)


def run(source, own, kind, first_hz, second_hz, preset, answer, *form):
    """The sound through the recipe: the picture, the caption, the formula, the badge, the verdict."""
    sound = controls.sound_of(source, own, kind, first_hz, second_hz)
    recipe = controls.recipe_of(Form(*form))
    name = controls.sound_key(source, own, sound, kind, first_hz, second_hz)

    def make() -> SpeechTrace:
        try:
            return extract(sound.samples, sound.rate, recipe)
        except ValueError as error:
            raise InputError(str(error)) from None

    key, trace = RUNS.run((name, recipe), make)
    return (
        linked(trace, key, repr(name)),
        words.caption(trace, sound.notices),
        words.formula(trace),
        controls.badge(recipe, preset),
        verdict(LESSON, answer, *words.outcome(trace)),
    )


def closeup(request: dict) -> dict:
    """Where one cell's number comes from. request: key of the run, frame, band, bin.

    Returns the evidence as plain lists (see `words.evidence`), or {"error": one sentence}.
    """
    try:
        trace = RUNS.find(str(request["key"]))
        frame, band, k = (int(request[name]) for name in ("frame", "band", "bin"))
        return words.evidence(
            explain_cell(trace, frame, band),
            correlate_bin(trace, frame, k),
            compare_windows(trace, frame),
        )
    except (KeyError, TypeError):
        return {"error": "A request for a close-up names key, frame, band and bin."}
    except ValueError as error:
        return {"error": str(error)}


def rebuild_sound(request: dict) -> dict:
    """The sound that the log-mel picture alone can give back. request: key of the run.

    Returns {"rate": Hz, "samples": base64 of little-endian 16-bit samples}, or {"error": sentence}.
    """
    try:
        trace = RUNS.find(str(request["key"]))
        samples = rebuild(trace)
    except (KeyError, TypeError):
        return {"error": "A request for the rebuilt sound names the run's key."}
    except ValueError as error:
        return {"error": str(error)}
    rate = trace.recipe.sample_rate
    samples, rate = audible(samples, rate)
    whole = np.rint(np.clip(samples, -1, 1) * 32767).astype("<i2")
    return {"rate": rate, "samples": base64.b64encode(whole.tobytes()).decode()}


def build(kept: gr.BrowserState) -> None:
    """Draws the page inside the open tab."""
    with gr.Column(elem_classes="gb-topic", elem_id=SLUG):
        gr.Markdown(f"# {LESSON.title}\n{LESSON.lead}", elem_classes="gb-lead")
        answer, compared = question(LESSON, SLUG, kept)
        with gr.Row():
            with gr.Column(scale=1, min_width=240):
                sounds = sound_widgets()
                preset, line, form = form_widgets()
                for n, text in enumerate(LESSON.steps.values(), 1):
                    with gr.Column(elem_classes=["gb-stage", f"gb-stage-{n}"]):
                        prose(text)
                gr.Markdown("**Try**")
                tries = [gr.Button(name, size="sm") for name in LESSON.tries]
            with gr.Column(scale=3, min_width=320):
                alarm = message("speech-alarm")
                view = speech_view([closeup, rebuild_sound])
                caption = prose("", elem_id="speech-caption")
        with gr.Tabs():
            with gr.Tab("Formula"):
                prose(LESSON.formula)
                formula = prose("")
            with gr.Tab("Code"):
                gr.Code(inspect.getsource(algorithm), language="python", interactive=False, max_lines=40)
            with gr.Tab("Try and exercise"):
                prose("\n".join(f"- **{name}.** {text}" for name, text in LESSON.tries.items()))
                prose(LESSON.exercise)
            with gr.Tab("Sources"):
                prose(LESSON.sources)

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
        recorded(lambda: OWN, None, source, api_visibility="private", **quiet).then(
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
            None, None, None, js=words.to_stage(SLUG, stage), api_visibility="private"
        )
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
