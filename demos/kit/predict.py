"""A question before the visitor acts, and how their answer compares with what a run then showed."""

import gradio as gr

from demos.kit.lesson import Lesson, prose


def question(lesson: Lesson, slug: str, kept: gr.BrowserState) -> tuple[gr.Radio, gr.Markdown]:
    """The lesson's question on the page. The answer is kept in the visitor's own browser.

    Returns the radio, whose value is the answer's key, and the line for `verdict`.
    """
    with gr.Column(elem_classes="gb-predict", elem_id=f"{slug}-predict"):
        prose(f"**Predict.** {lesson.question}")
        choices = [(words, key) for key, words in lesson.answers.items()]
        radio = gr.Radio(choices, label="Your answer", show_label=False, container=False)
        line = prose("")
    browser = {"api_visibility": "private", "show_progress": "hidden"}
    store = f"(answer, kept) => ({{...kept, answers: {{...kept.answers, '{slug}': answer}}}})"
    radio.input(None, [radio, kept], kept, js=store, **browser)
    return radio, line


def recall(slug: str) -> str:
    """The script that puts a kept answer back when the page opens: kept -> radio."""
    return f"(kept) => (kept && kept.answers && kept.answers['{slug}']) || null"


def verdict(lesson: Lesson, answer: str | None, outcome: str | None, evidence: str) -> str:
    """What happened beside what was predicted.

    outcome: the key of the answer that this run shows to be right; None while the run is not about
    the question, and then nothing is said.
    """
    if outcome is None:
        return ""
    right = lesson.answers[outcome]
    if answer is None:
        return f"**What happened:** {evidence} That is: {right.lower()}."
    said = lesson.answers[answer]
    mark = "✓ As you said" if answer == outcome else "✗ Not as you said"
    return f"**{mark}** (*{said}*). {evidence}"
