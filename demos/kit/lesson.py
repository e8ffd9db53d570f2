"""lesson.md -> the texts of a topic page."""

import re
from dataclasses import dataclass
from pathlib import Path

import gradio as gr

LATEX = [
    {"left": "$$", "right": "$$", "display": True},
    {"left": "$", "right": "$", "display": False},
]
PARTS = ("Predict", "Formula", "Try", "Exercise", "Sources")


@dataclass(frozen=True)
class Lesson:
    """A topic's texts. steps: the story's steps by name, each with its text, in order.

    question and answers (key -> words): what the visitor predicts. tries: name -> what to look at.
    """

    title: str
    lead: str
    question: str
    answers: dict[str, str]
    steps: dict[str, str]
    formula: str
    tries: dict[str, str]
    exercise: str
    sources: str


def read_lesson(path: Path) -> Lesson:
    """The lesson in this file: `# title`, a lead, `## Step: name` sections and those of PARTS.

    In Predict, lines `- key: words` are the answers; in Try, lines `- name: words` are the things to
    try. Raises ValueError with the name of a part that is missing.
    """
    head, *sections = re.split(r"^## ", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    title, _, lead = head.strip().removeprefix("# ").partition("\n")
    texts = {}
    for section in sections:
        name, _, text = section.partition("\n")
        texts[name.strip()] = text.strip()
    missing = [part for part in PARTS if part not in texts]
    if missing:
        raise ValueError(f"{path} must have the sections {', '.join(PARTS)}; missing: {missing}")
    question, answers = _list(texts["Predict"])
    steps = {n.removeprefix("Step: "): t for n, t in texts.items() if n.startswith("Step: ")}
    return Lesson(
        title=title.strip(),
        lead=lead.strip(),
        question=question,
        answers=answers,
        steps=steps,
        formula=texts["Formula"],
        tries=_list(texts["Try"])[1],
        exercise=texts["Exercise"],
        sources=texts["Sources"],
    )


def prose(text: str, **options) -> gr.Markdown:
    """A text of a lesson on the page, formulas between dollar signs."""
    return gr.Markdown(text, latex_delimiters=LATEX, elem_classes="gb-prose", **options)


def code(source: str) -> gr.Markdown:
    """Python on the page, with a copy button. Markdown is on every page; gr.Code would load an editor."""
    return gr.Markdown(f"```python\n{source}\n```", elem_classes="gb-code")


def foot(lesson: Lesson, source: str, more_sources: str = "") -> gr.Markdown:
    """The tabs under a topic's pictures; returns the place for the formula with a run's numbers."""
    with gr.Tabs(overflow_behavior="wrap"):
        with gr.Tab("Formula"), gr.Row():
            with gr.Column(min_width=300):
                prose(lesson.formula)
            with gr.Column(min_width=300):
                formula = prose("")
        with gr.Tab("Code"):
            code(source)
        with gr.Tab("Try and exercise"):
            prose("\n".join(f"- **{name}.** {text}" for name, text in lesson.tries.items()))
            prose(lesson.exercise)
        with gr.Tab("Sources"):
            prose(lesson.sources)
            prose(more_sources)
    return formula


def folding() -> gr.Accordion:
    """The controls' place: open beside the picture, on a phone above it under a line that unfolds them.

    Run FOLD_ON_PHONE once, when the page is first shown.
    """
    return gr.Accordion("Controls", open=True, elem_classes="gb-controls")


FOLD_ON_PHONE = "() => ({__type__: 'update', open: innerWidth > 760})"


def _list(text: str) -> tuple[str, dict[str, str]]:
    """The words before a list, and its items `- key: words`."""
    items = dict(re.findall(r"^- ([^:\n]+): (.+(?:\n  .+)*)", text, flags=re.MULTILINE))
    return text.split("\n- ")[0].strip(), items
