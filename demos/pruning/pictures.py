"""The page's pictures, each in its stage, with the buttons that make them."""

import gradio as gr

from demos.kit.curve import curve_view
from demos.kit.events import message
from demos.kit.frame import buttons, stage
from demos.kit.heatmaps import heatmaps
from demos.kit.layermap import layer_map
from demos.kit.lesson import prose
from demos.kit.reading import reading_view
from demos.pruning import effects
from demos.pruning.controls import CLICKS
from demos.pruning.handlers import SLUG, region
from demos.pruning.panels import EQUAL, MAPS
from demos.pruning.shears import shear_pictures
from demos.pruning.view import pruning_view


def pictures() -> dict:
    """The stages, each with its own picture, by name."""
    made = {"remark": message("pruning-remark"), "alarm": message("pruning-alarm")}
    made["view"] = pruning_view()
    with stage(1):
        made["maps"] = heatmaps(SLUG, MAPS, [region])
        made["caption"] = prose("", elem_id="pruning-caption")
    with stage(2):
        made["does"] = gr.Radio(list(CLICKS), value=CLICKS[0], label="A click on the map")
        made["measure"] = buttons("Prune and measure", "Clear single layers", "Stop")
        made["map"] = layer_map("pruning-map", "What each matrix loses, and how much of it is cut")
        made["score"] = prose("", elem_id="pruning-score")
    with stage(3):
        made["sweep"] = buttons("Measure all methods", "Stop")
        made["curve"] = curve_view("pruning-curve", "Perplexity against sparsity")
        made["fallen"] = prose("", elem_id="pruning-fallen")
        made["write"] = buttons("Write", "Stop")
        made["texts"] = reading_view("pruning-texts")
        made["read"] = prose("", elem_id="pruning-read")
    with stage(4):
        made["weigh"] = buttons("Measure again", "Stop")
        made["matrix"] = prose("", elem_id="pruning-matrix")
        made["savings"] = curve_view("pruning-savings", "Time of a token against bytes")
        made["table"] = prose("", elem_id="pruning-table")
    with stage(5):
        made["shears"] = shear_pictures()
    with stage(6):
        made["rival"] = buttons("Compare", "Stop")
        made["equal"] = heatmaps("pruning-equal", EQUAL, [effects.region])
        made["numbers"] = prose("", elem_id="pruning-numbers")
        made["contest"] = prose("", elem_id="pruning-contest")
        made["rivals"] = buttons("Compare at 8, 4, 3 and 2 bits", "Stop")
        made["equals"] = curve_view("pruning-equals", "Perplexity at equal bytes")
    return made
