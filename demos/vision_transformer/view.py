"""The stages of a run as linked canvases: their frame in HTML."""

from pathlib import Path

import gradio as gr

from demos.kit.linked import linked_views
from demos.kit.stages import figure, options, stages
from demos.vision_transformer.panels import PANELS, STAGES

HERE = Path(__file__).parent
ALIKE = {
    "alike_positions": "position vectors",
    "alike_with": "vectors of the sequence, positions added",
    "alike_without": "vectors of the sequence, positions left out",
}
METHODS = {
    "attention": "attention of one layer",
    "rollout": "rollout: all layers, by attention alone",
    "relevance": "relevance: all layers, for one class",
}


def vit_view(server_functions: list) -> gr.HTML:
    """The component; its value is `served(figures.view(run).main)` and `layers`, the other files."""
    return linked_views(_template(), HERE / "view", "vit-view", server_functions)


def _canvas(panel: str, height: str, classes: str = "") -> str:
    return figure(panel, PANELS[panel], height, "", classes)


def _template() -> str:
    inside = {
        "Cut": '<div class="bar wide"><button type="button" class="slide-apart">▶ Slide apart</button>'
        '<label class="slide grow">Apart <input class="apart" type="range" min="0" max="1000" value="1000">'
        "</label></div>"
        + _canvas("sequence", "low", "wide over")
        + _canvas("patch", "low", "over")
        + _canvas("vector", "low", "over")
        + '<p class="shapes wide"></p>',
        "Embed": _canvas("strips", "short", "wide over")
        + '<div class="bar wide"><label>Compare <select class="alike">'
        + options(ALIKE)
        + "</select></label></div>"
        + _canvas("filters", "square", "over")
        + _canvas("alike", "square", "over")
        + _canvas("near", "square", "over")
        + '<p class="told-alike wide"></p>',
        "Attend": '<div class="bar wide"><label>Show <select class="method">'
        + options(METHODS)
        + '</select></label><label class="for-class">for <select class="target"></select></label>'
        '<label class="for-layer slide">Layer <input class="layer" type="range" min="1" max="1" value="1">'
        '<output class="layer-number"></output></label>'
        '<label class="for-layer">Head <select class="head"></select></label>'
        '<button type="button" class="from-cls" aria-pressed="true">from CLS</button></div>'
        + _canvas("heads", "thumbs", "wide over")
        + '<div class="shares wide" role="img"></div><p class="told-heat wide" role="status"></p>',
        "Experiment": '<div class="bar wide"><button type="button" class="mode" data-mode="hide" '
        'aria-pressed="true">Hide patches</button><button type="button" class="mode" data-mode="paint" '
        'aria-pressed="false">Paint</button><label>Colour <input class="colour" type="color" '
        'value="#d55e00"></label><span class="spring"></span>'
        '<button type="button" class="toggle">Hide the chosen patch</button>'
        '<button type="button" class="half">Hide half, by chance</button>'
        '<button type="button" class="undo">Undo all</button></div>'
        '<div class="answer wide"></div><p class="told-change wide" role="status"></p>'
        '<div class="bar wide"><button type="button" class="turn">Hide each patch in turn</button>'
        '<button type="button" class="compare">Ask the other models</button></div>'
        '<p class="told-turn wide" role="status"></p><div class="others wide"></div>',
    }
    layouts = {"Embed": "three"}
    story = stages("vit", [(name, layouts.get(name, ""), inside[name]) for name in STAGES])
    return (
        '<div class="gb-vit" role="group" aria-label="A picture on its way through a transformer">'
        '<div class="desk"><div class="left">'
        + _canvas("picture", "square", "over")
        + '<p class="scale" hidden><span>0</span><i></i><span class="most"></span></p>'
        '<label class="slide">Patch <input class="chosen" type="range" min="0" max="1" value="0"></label>'
        '<p class="here"></p></div>'
        f'<div class="right">{story}</div></div><p class="alarm" role="alert"></p></div>'
    )
