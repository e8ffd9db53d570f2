"""Gradio's slider, without its own check of what was typed."""

import gradio as gr

class Slider(gr.Slider):
    """A slider whose number may be anything, so that the handler says in a sentence what was expected.

    Gradio's own check ends in a server error where the number's field was emptied.
    """

    is_template = True  # drawn as gr.Slider

    def preprocess(self, payload: float | None) -> float | None:
        return payload
    from typing import Callable, Literal, Sequence, Any, TYPE_CHECKING
    from gradio.blocks import Block
    if TYPE_CHECKING:
        from gradio.components import Timer
        from gradio.components.base import Component
