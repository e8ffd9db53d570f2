"""The page's widgets."""

import gradio as gr

from demos.kit.frame import stage
from demos.kit.inputs import PROMPT_CHARACTERS
from demos.kit.offer import Offer, Offered
from demos.kit.widgets import slider
from demos.pruning.controls import MATRIX, METHODS, PATTERNS, PROMPT, RANGES, RIVAL, RIVALS
from demos.pruning.shears import shear_settings

Made = dict[str, gr.components.Component]


def pruning_widgets(offer: Offer) -> tuple[Made, Offered, Made]:
    """The settings by name, in the order of `controls.start`, the choice of models that is among them, and
    the settings of Sheared LLaMA."""
    with stage(1, 2, 3, 4):  # stage 6 computes its own sparsity
        sparsity = _slider("sparsity")
        pattern = gr.Dropdown(_choices(PATTERNS), value="unstructured", label="Pattern")
    with stage(1, 2, 3, 4, 6):
        method = gr.Dropdown(_choices(METHODS), value="magnitude", label="Method")
    with stage(1, 2, 4, 6):
        # Its choices are the model's matrices, which are known once it is loaded.
        matrix = gr.Dropdown([MATRIX], value=MATRIX, label="Matrix", allow_custom_value=True)
    with stage(6):
        rival = gr.Dropdown(list(RIVALS), value=RIVAL, label="Quantized as")
    with stage(1, 2, 3, 4, 6), gr.Accordion("More", open=False):
        model = offer.widgets("pruning", "Model")
        sequences = _slider("sequences")
    with stage(3):
        prompt = gr.Textbox(PROMPT, label="Prompt", lines=2, max_lines=6, max_length=PROMPT_CHARACTERS)
        writing = {name: _slider(name) for name in ("temperature", "seed", "tokens")}
    with stage(5):
        shears = shear_settings()
    made = {"model": model.choice, "method": method, "pattern": pattern, "sparsity": sparsity}
    made |= {"matrix": matrix, "sequences": sequences, "prompt": prompt} | writing | {"rival": rival}
    return made, model, shears


def _choices(names: dict[str, str]) -> list[tuple[str, str]]:
    return [(words, name) for name, words in names.items()]


def _slider(name: str) -> gr.Slider:
    label, low, high, step, value = RANGES[name]
    return slider(low, high, value, step=step, label=label)
