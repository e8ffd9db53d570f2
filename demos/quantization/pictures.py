"""The page's pictures, each in its stage, with the buttons that make them."""

import gradio as gr

from demos.kit.curve import curve_view
from demos.kit.events import message
from demos.kit.frame import buttons, stage
from demos.kit.heatmaps import heatmaps
from demos.kit.layermap import layer_map
from demos.kit.lesson import prose
from demos.kit.reading import reading_view
from demos.quantization.controls import CLICKS
from demos.quantization.handlers import SLUG, region
from demos.quantization.panels import MAPS
from demos.quantization.view import profile_view, quantization_view


def pictures() -> dict:
    """The stages, each with its own picture, by name."""
    made = {"remark": message("quantization-remark"), "alarm": message("quantization-alarm")}
    made["view"] = quantization_view()
    with stage(2):
        made["maps"] = heatmaps(SLUG, MAPS, [region])
        made["profile"] = profile_view()
    with stage(3):
        made["does"] = gr.Radio(list(CLICKS), value=CLICKS[0], label="A click on the map")
        made["measure"] = buttons("Quantize and measure", "Clear single schemes", "Stop")
        made["map"] = layer_map("quantization-map", "Error of each matrix")
        made["score"] = prose("", elem_id="quantization-score")
        made["sweep"] = buttons("Measure every scheme", "Stop")
        made["curve"] = curve_view("quantization-curve", "Perplexity against bits")
    with stage(4):
        made["write"] = buttons("Write", "Stop")
        made["texts"] = reading_view("quantization-texts")
        made["read"] = prose("", elem_id="quantization-read")
    with stage(5):
        made["weigh"] = buttons("Measure again", "Stop")
        made["savings"] = curve_view("quantization-savings", "Time of a token against bytes")
        made["table"] = prose("", elem_id="quantization-table")
    with stage(6):
        made["remember"] = buttons("Measure", "Stop")
        with gr.Row():
            with gr.Column(min_width=320):
                made["cache"] = curve_view("quantization-cache", "Keys and values in few bits")
            with gr.Column(min_width=320):
                made["active"] = curve_view("quantization-active", "Activations in few bits")
    with stage(1, 2):
        made["caption"] = prose("", elem_id="quantization-caption")
    return made
