"""The page's widgets."""

import gradio as gr

from demos.kit.events import message
from demos.kit.widgets import slider
from demos.speculative_decoding.controls import (
    LABELS,
    MAX_CHARACTERS,
    PAIR_NAMES,
    PROMPT,
    RANGES,
    SOURCES,
)


def race_widgets() -> tuple[list[gr.components.Component], gr.Markdown, gr.Button, gr.HTML]:
    """The settings in the order of `controls.settings_of`; about the models, their button, its message."""
    prompt = gr.Textbox(PROMPT, label="Prompt", lines=2, max_lines=6, max_length=MAX_CHARACTERS)
    source = gr.Dropdown(list(SOURCES), value=SOURCES[0], label="Who drafts")
    made = {name: _slider(name) for name in ("draft_length", "temperature")}
    with gr.Accordion("More", open=False):
        made |= {name: _slider(name) for name in ("top_k", "top_p", "seed", "tokens")}
        pair = gr.Dropdown(list(PAIR_NAMES), value=PAIR_NAMES[0], label="Models: draft → target")
        about = gr.Markdown("", elem_classes="gb-prose", elem_id="speculation-models")
        fetch = gr.Button("Download these models", size="sm", visible=False)
        said = message("speculation-download")
    return [prompt, pair, source, *made.values()], about, fetch, said


def samples_widget() -> gr.Slider:
    """How many samples the court draws."""
    return _slider("samples")


def _slider(name: str) -> gr.Slider:
    low, high, step, value = RANGES[name]
    return slider(low, high, value, step=step, label=LABELS[name])
