"""Gradio's slider, without its own check of what was typed."""

import gradio as gr


def slider(low: float, high: float, value: float, *, step: float, label: str) -> gr.Slider:
    """A slider whose number may be anything, so that the handler says in a sentence what was expected.

    Gradio's own check ends in a server error where the number's field was emptied. It is set aside on
    the component and not in a subclass, because Gradio writes a .pyi file beside each subclass's source.
    """
    made = gr.Slider(low, high, value, step=step, label=label)
    made.preprocess = lambda payload: payload
    return made
