"""The page's own pictures: the stages, with the histograms of one matrix."""

from pathlib import Path

import gradio as gr

from demos.kit.linked import linked_views
from demos.kit.stages import figure, stages
from demos.pruning.panels import BARS, STAGES

HERE = Path(__file__).parent


def pruning_view() -> gr.HTML:
    """The stages' tabs and the histograms of stage 1; its value is `figures.bars`, and the key of the run.

    It also says what the curve depends on: sweep.
    """
    charts = "".join(figure(name, title, "short", "", "over") for name, title in BARS.items())
    inside = f'{charts}<p class="told wide"></p>'
    story = stages("pruning", [(name, "", "" if n else inside) for n, name in enumerate(STAGES)])
    html = f'<div class="gb-pruning" role="group" aria-label="From all weights to few">{story}</div>'
    return linked_views(html, HERE / "view", "pruning-view", [])
