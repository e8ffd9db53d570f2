"""The page's widgets."""

import gradio as gr

from demos.kit.inputs import PROMPT_CHARACTERS
from demos.kit.offer import Offer, Offered
from demos.kit.widgets import slider
from demos.speculative_decoding.controls import (
    LABELS,
    PROMPT,
    RANGES,
    SOURCES,
)


def race_widgets(offer: Offer) -> tuple[list[gr.components.Component], Offered]:
    """The settings in the order of `controls.settings_of`, and the choice of models that is among them."""
    prompt = gr.Textbox(PROMPT, label="Prompt", lines=2, max_lines=6, max_length=PROMPT_CHARACTERS)
    source = gr.Dropdown(list(SOURCES), value=SOURCES[0], label="Who drafts")
    made = {name: _slider(name) for name in ("draft_length", "temperature")}
    with gr.Accordion("More", open=False):
        made |= {name: _slider(name) for name in ("top_k", "top_p", "seed", "tokens")}
        pair = offer.widgets("speculation", "Models: draft → target")
    return [prompt, pair.choice, source, *made.values()], pair


def samples_widget() -> gr.Slider:
    """How many samples the court draws."""
    return _slider("samples")


def _slider(name: str) -> gr.Slider:
    low, high, step, value = RANGES[name]
    return slider(low, high, value, step=step, label=LABELS[name])
