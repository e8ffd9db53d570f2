"""What every topic's page has around its own controls and pictures, in the design's order."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import gradio as gr

from demos.kit.lesson import FOLD_ON_PHONE, Lesson, folding, foot, prose
from demos.kit.predict import question, recall
from demos.kit.stages import to_stage

QUIET = {"show_progress": "hidden"}
PRIVATE = {"api_visibility": "private"}
C, P = TypeVar("C"), TypeVar("P")


@dataclass(frozen=True)
class Frame(Generic[C, P]):
    """answer: the visitor's to the lesson's question; compared: the place of `predict.verdict`.

    controls, pictures: what the topic's own functions made. tries: a button for each thing to try.
    formula: the place for the formula with a run's numbers. fold: what the controls lie in.
    """

    slug: str
    kept: gr.BrowserState
    answer: gr.Radio
    compared: gr.Markdown
    controls: C
    pictures: P
    tries: list[gr.Button]
    formula: gr.Markdown
    fold: gr.Accordion

    def opened(self, view: gr.HTML, shared: dict) -> None:
        """When the view is first shown: a first run, controls fold on a phone, a kept answer is put back.

        shared: the arguments of the event that runs the page. It runs again for another answer, whose
        verdict is another; nothing is computed anew, as the run is kept.
        """
        view.shown(**shared, **PRIVATE)
        self.answer.input(trigger_mode="always_last", **shared, **PRIVATE)
        view.shown(None, None, self.fold, js=FOLD_ON_PHONE, **PRIVATE, **QUIET)
        view.shown(None, self.kept, self.answer, js=recall(self.slug), **PRIVATE, **QUIET)

    def connect_tries(
        self, settings: Sequence[tuple[int, list]], widgets: list[gr.components.Component], shared: dict
    ) -> None:
        """Each thing to try sets the widgets, runs, and shows a stage.

        settings: for each, the stage and the widgets' values. shared: as for `opened`.
        """
        for button, (stage, values) in zip(self.tries, settings, strict=True):
            button.click(lambda values=values: values, None, widgets, **PRIVATE, **QUIET).then(
                **shared, **PRIVATE
            ).then(None, None, None, js=to_stage(self.slug, stage), **PRIVATE)


def frame(
    lesson: Lesson,
    slug: str,
    kept: gr.BrowserState,
    *,
    controls: Callable[[], C],
    pictures: Callable[[], P],
    code: str,
    more_sources: str = "",
) -> Frame[C, P]:
    """Draws the page inside the open tab. controls, pictures: draw the topic's own, each in its column."""
    with gr.Column(elem_classes="gb-topic", elem_id=slug):
        gr.Markdown(f"# {lesson.title}\n{lesson.lead}", elem_classes="gb-lead")
        answer, compared = question(lesson, slug, kept)
        with gr.Row():
            with gr.Column(scale=1, min_width=240):
                with folding() as fold:
                    made = controls()
                    gr.Markdown("**Try**")
                    tries = [gr.Button(name, size="sm") for name in lesson.tries]
                for n, text in enumerate(lesson.steps.values(), 1):
                    with stage(n):
                        prose(text)
            with gr.Column(scale=3, min_width=320):
                drawn = pictures()
        formula = foot(lesson, code, more_sources)
    return Frame(slug, kept, answer, compared, made, drawn, tries, formula, fold)


def stage(*numbers: int) -> gr.Column:
    """What is seen while one of these stages is open."""
    return gr.Column(elem_classes=["gb-stage", *(f"gb-stage-{n}" for n in numbers)])


def buttons(*names: str) -> list[gr.Button]:
    """A row of buttons, the first of which is the main one."""
    with gr.Row():
        return [
            gr.Button(name, size="sm", variant="secondary" if n else "primary", min_width=90)
            for n, name in enumerate(names)
        ]
