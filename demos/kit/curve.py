"""A chart of named points whose nearest one is read out, growing while they are measured."""

from html import escape
from pathlib import Path

import gradio as gr

from demos.kit.linked import linked_views

FILES = Path(__file__).parent / "static" / "curve"


def curve_view(elem_id: str, title: str) -> gr.HTML:
    """The component. Choosing a point puts its name into the value as `chosen` and sends the event `choose`.

    Its value: x: {title}; y: {title, log, and, if wanted, most: what lies above is drawn at the top edge};
    lines: whether each series' points are joined; series: a list of {name, points: [{x, y, name, note}]},
    y None where it is infinite; rules: a list of {y, text}, levels to compare with; told: a sentence on
    progress; done; chosen: a point's name or null; nothing: what stands there while no point is there.
    On a logarithmic axis, 0 is drawn at the lower edge, and what is 10000 times the least at the upper one.
    """
    title = escape(title)
    html = (
        f'<div class="gb-curve"><p class="title">{title}</p><p class="nothing">Nothing yet.</p>'
        '<div class="holds" hidden><p class="legend"></p>'
        f'<canvas tabindex="0" role="img" aria-label="{title}"></canvas><p class="read" role="status"></p>'
        '<details><summary>All numbers</summary><div class="scroll" tabindex="0" role="region" '
        'aria-label="All numbers"></div></details></div>'
        '<p class="told" role="status"></p></div>'
    )
    return linked_views(html, FILES, elem_id, [])
