"""The page's widgets."""

import gradio as gr

from demos.kit.frame import stage
from demos.kit.inputs import PROMPT_CHARACTERS
from demos.kit.offer import Offer, Offered
from demos.kit.widgets import slider
from demos.quantization.controls import MATRIX, PROMPT, RANGES
from demos.quantization.scheme import INT8_ABSMAX, SCHEMES


def quantization_widgets(offer: Offer) -> tuple[dict[str, gr.components.Component], Offered]:
    """The settings by name, in the order of `controls.start`, and the choice of models that is among them."""
    made: dict[str, gr.components.Component] = {}
    scheme = gr.Dropdown(list(SCHEMES), value=INT8_ABSMAX.name, label="Scheme")
    # Its choices are the model's matrices, which are known once it is loaded.
    matrix = gr.Dropdown([MATRIX], value=MATRIX, label="Matrix", allow_custom_value=True)
    with gr.Accordion("More", open=False):
        model = offer.widgets("quantization", "Model")
        made = {name: _slider(name) for name in ("sequences", "threshold")}
    with stage(4):
        prompt = gr.Textbox(PROMPT, label="Prompt", lines=2, max_lines=6, max_length=PROMPT_CHARACTERS)
        made |= {name: _slider(name) for name in ("temperature", "seed", "tokens")}
    return {"model": model.choice, "scheme": scheme, "matrix": matrix, "prompt": prompt} | made, model


def _slider(name: str) -> gr.Slider:
    label, low, high, step, value = RANGES[name]
    return slider(low, high, value, step=step, label=label)
