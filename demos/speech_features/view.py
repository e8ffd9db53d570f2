"""The stages of a run as linked canvases: their frame in HTML, and what they ask the server."""

from pathlib import Path

import gradio as gr

from demos.kit.linked import linked_views
from demos.kit.stages import figure, stages
from demos.speech_features.figures import PANELS, STAGES

HERE = Path(__file__).parent
SOUNDS = {
    "original": "▶ Original",
    "sampled": "▶ Sampled",
    "quantized": "▶ Quantized",
    "rebuilt": "▶ Rebuilt from log-mel",
}


def speech_view(server_functions: list) -> gr.HTML:
    """The component; its value is `served(figures.linked(trace))`."""
    return linked_views(_template(), HERE / "view", "speech-view", server_functions)


def _figure(panel: str, height: str, inside: str = "", cls: str = "") -> str:
    return figure(panel, PANELS[panel].title, height, inside, cls)


def _template() -> str:
    mark = '<i class="mark"></i>'
    sounds = "".join(
        f'<button type="button" data-sound="{name}" aria-pressed="false">{words}</button>'
        for name, words in SOUNDS.items()
    )
    story = stages("speech", [(stage.name, stage.layout, _stage(stage)) for stage in STAGES])
    return (
        '<div class="gb-speech" role="group" aria-label="The seven stages of this sound">'
        f'<div class="bar"><b>Hear:</b>{sounds}<span class="spring"></span>'
        '<button type="button" class="nearer">Zoom in</button>'
        '<button type="button" class="farther">Zoom out</button>'
        '<button type="button" class="whole">Whole</button></div>'
        f"{_figure('wave', 'short', mark)}"
        '<p class="alarm" role="alert"></p>'
        f"{story}"
        f"{_figure('log_mel', 'map', mark + '<i class=cell-mark></i>', 'over')}"
        '<label class="slide">Time <input class="at" type="range" min="0" max="1" value="0"></label>'
        '<label class="slide">Band <input class="band-at" type="range" min="0" max="1" value="0">'
        '</label><output class="where" aria-live="off"></output>'
        '<div class="prov"><p class="prov-title">Click a cell of the log-mel picture to see where its '
        'number comes from</p><div class="prov-table"></div><div class="prov-steps"></div></div></div>'
    )


def _stage(stage) -> str:
    before, after = "", ""
    if stage.name == "DFT":
        boxes = "".join(
            f'<label class="line-{name}"><input type="checkbox" value="{name}"{on}> {name}</label>'
            for name, on in (("rectangular", " checked"), ("hamming", " checked"), ("hann", ""))
        )
        before = (
            '<div class="bar wide"><label>Show <select class="scale"><option value="dB">power in dB'
            '</option><option value="power">power</option><option value="magnitude">magnitude</option>'
            '</select></label><span class="compare bar"><b class="line-own">This recipe</b> and with:'
            f"{boxes}</span></div>"
        )
        after = '<p class="widths wide"></p>'
    extra = {"frames": '<i class="row-mark"></i>'}
    figures = "".join(
        _figure(p, "tall", extra.get(p, ""), "wide" if p in stage.wide else "") for p in stage.panels
    )
    return before + figures + after
