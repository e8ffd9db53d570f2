"""Two models' continuations of one prompt, side by side, and where and why they part."""

from pathlib import Path

import gradio as gr

from demos.kit.linked import linked_views

FILES = Path(__file__).parent / "static" / "reading"


def reading_view(elem_id: str) -> gr.HTML:
    """The component. Its value grows while the texts are written.

    Its value: prompt; sides: two of {name, tokens: [{text, p}]}, p the token's probability under that
    side's model; parts: index of the first token in which the texts differ, or null; laws: null, or both
    next-token laws at that place: {after: the words before it, rows: [{token, p: [first, second]}],
    rest: what all other tokens have together, taken: the token each side took}; done; nothing: what stands
    there while sides are missing.
    """
    side = '<section><p class="name"></p><p class="text" tabindex="0" role="group"></p></section>'
    html = (
        '<div class="gb-reading" role="group" aria-label="Two texts side by side">'
        '<p class="nothing">Nothing yet.</p><div class="holds" hidden><p class="prompt"></p>'
        f'<div class="panels">{side * 2}</div><p class="read" role="status"></p>'
        '<div class="laws"></div></div></div>'
    )
    return linked_views(html, FILES, elem_id, [])
