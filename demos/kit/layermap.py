"""The map of a model: a row for each layer, a column for each matrix, a colour and a number in each cell."""

from html import escape
from pathlib import Path

import gradio as gr

from demos.kit.linked import linked_views

FILES = Path(__file__).parent / "static" / "layermap"


def layer_map(elem_id: str, title: str) -> gr.HTML:
    """The component. Choosing a cell puts `chosen` into its value and sends the event `choose`.

    Its value: rows, columns: names; cells[row][column]: {value, text, mark}, whose value is null until it
    is known, or null where the layer has no such matrix; unit: what the numbers are; low, high: words for
    the ends of the colours; told: a sentence on progress; chosen: [row, column] or null; and, if wanted,
    extent: the values at the ends of the colours (else the least and the greatest); nothing: what stands
    there while rows are missing.
    """
    title = escape(title)
    html = (
        f'<div class="gb-layers"><p class="title">{title}</p><p class="nothing">Nothing yet.</p>'
        f'<div class="holds" hidden><div class="scroll"><table aria-label="{title}"></table></div>'
        '<p class="scale"><span class="low"></span><i></i><span class="high"></span></p>'
        '<p class="read"></p></div><p class="told" role="status"></p></div>'
    )
    return linked_views(html, FILES, elem_id, [])
