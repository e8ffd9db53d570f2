"""Several pictures of one matrix with one cursor and one zoom. `regions.py` makes what they show."""

from html import escape
from pathlib import Path

import gradio as gr

from demos.kit.linked import linked_views
from demos.kit.stages import figure

FILES = Path(__file__).parent / "static" / "heatmaps"
BUTTONS = {
    "in": ("+", "Zoom in"),
    "out": ("−", "Zoom out"),
    "whole": ("whole matrix", "Show the whole matrix"),
    "left": ("◂", "Move left"),
    "right": ("▸", "Move right"),
    "up": ("▴", "Move up"),
    "down": ("▾", "Move down"),
}


def heatmaps(prefix: str, panels: dict[str, str], server_functions: list) -> gr.HTML:
    """The component `<prefix>-heatmaps`. panels: part -> title, two to four of them.

    Its value: `served(packed_region(...))` whose facts say panels: a list of {key: the part, title, colours:
    "diverging", "viridis" or "mask", extent: the values at the colours' ends, digits: decimals shown; for a
    mask also words: of 0, of 1 and, if there is one, of 2}; key: names the matrix; marked_columns,
    marked_rows; labels: {row, column}, what they are; chosen: [row, column], if wanted; nothing: what
    stands there while parts are missing.
    server_functions: among them `region({key, window})`, which answers as the value is, or {"error"}.
    Choosing an entry puts `chosen` into the value and sends the event `choose`.
    """
    buttons = "".join(
        f'<button type="button" data-do="{do}" aria-label="{label}" title="{label}">{sign}</button>'
        for do, (sign, label) in BUTTONS.items()
    )
    inside = '<i class="cell" hidden></i><i class="picked" hidden></i><i class="drag" hidden></i>'
    pictures = "".join(
        figure(key, title, "heat", inside, "over").replace("</figure>", '<p class="legend"></p></figure>')
        for key, title in panels.items()
    )
    html = (
        f'<div class="gb-heat" role="group" aria-label="{escape(", ".join(panels.values()))}">'
        f'<p class="nothing">Nothing yet.</p><div class="holds" hidden><div class="bar">{buttons}'
        f'<span class="shown"></span></div><div class="panels">{pictures}</div>'
        '<p class="read" role="status"></p></div><p class="alarm" role="alert"></p></div>'
    )
    return linked_views(html, FILES, f"{prefix}-heatmaps", server_functions)
