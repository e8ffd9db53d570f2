"""The page's widgets."""

import gradio as gr

from demos.kit.offer import Offer, Offered
from demos.kit.widgets import picture_input


def clip_widgets(offer: Offer) -> tuple[gr.Image, Offered]:
    """A picture of the visitor's own, and the choice of the model."""
    own = picture_input("Add my own picture", height=190, elem_id="clip-own")
    with gr.Accordion("More", open=False):
        model = offer.widgets("clip", "Model")
    return own, model
