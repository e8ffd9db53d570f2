"""The page's own pictures: the stages with the number line, and the profile of a matrix."""

from pathlib import Path

import gradio as gr

from demos.kit.linked import linked_views
from demos.kit.stages import figure, stages
from demos.quantization.panels import PROFILE, STAGES

HERE = Path(__file__).parent


def quantization_view() -> gr.HTML:
    """The stages' tabs and the number line of one weight; its value is `figures.number_view` and the key."""
    line = (
        '<div class="bar wide"><p class="which"></p><span class="spring"></span>'
        '<button type="button" class="itself">Back to the weight</button></div>'
        + figure("line", "The number line of this weight's scale", "short", "", "wide over")
        + '<label class="slide wide">Weight <input class="place" type="range" min="0" max="1" value="0">'
        '</label><ol class="steps wide"></ol>'
    )
    story = stages("quantization", [(name, "", line if n == 0 else "") for n, name in enumerate(STAGES)])
    html = f'<div class="gb-number" role="group" aria-label="From sixteen bits to few">{story}</div>'
    return linked_views(html, HERE / "view", "quantization-view", [])


def profile_view() -> gr.HTML:
    """How the weights lie among the levels, and where the error is; its value is `figures.profile`."""
    charts = "".join(figure(name, title, "map", "", "over") for name, title in PROFILE.items())
    html = (
        f'<div class="gb-profile" hidden><div class="panels three">{charts}</div><p class="told"></p></div>'
    )
    return linked_views(html, HERE / "profile", "quantization-profile", [])
