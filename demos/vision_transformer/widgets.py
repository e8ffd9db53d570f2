"""The page's widgets."""

import gradio as gr

from demos.kit.offer import Offer, Offered
from demos.kit.widgets import picture_input, slider
from demos.vision_transformer.controls import RANGES, SOURCES


def vit_widgets(offer: Offer) -> tuple[list[gr.components.Component], Offered]:
    """The settings in the order of `handlers.run`, and the choice of the model that is among them."""
    source = gr.Dropdown(list(SOURCES), value=SOURCES[0], label="Picture")
    with gr.Accordion("My own picture", open=False):
        own = picture_input("My own picture", height=180, elem_id="vit-own")
    positions = gr.Checkbox(True, label="Position vectors are added")
    shuffle = gr.Checkbox(False, label="Patches are shuffled")
    with gr.Accordion("More", open=False):
        sliders = [_slider(name) for name in ("seed", "crop", "right", "down")]
        model = offer.widgets("vit", "Model")
    return [source, own, model.choice, positions, shuffle, *sliders], model


def _slider(name: str) -> gr.Slider:
    label, low, high, step, value = RANGES[name]
    return slider(low, high, value, step=step, label=label)
