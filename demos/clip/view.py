"""The page's one linked view: collected pictures and five stages, their frame in HTML."""

from pathlib import Path

import gradio as gr

from demos.clip.controls import TEMPLATES
from demos.clip.panels import PANELS, STAGES
from demos.kit.linked import linked_views
from demos.kit.stages import figure, options, stages

HERE = Path(__file__).parent
SHOW = {
    "rows": "softmax along rows: which text fits the picture?",
    "columns": "softmax along columns: which picture fits the text?",
    "cosine": "cosine",
    "logits": "logits: exp(t) · cosine",
}


def clip_view(server_functions: list) -> gr.HTML:
    """The component; its values are `figures.run_view(...)` and `figures.train_view(...)`."""
    return linked_views(_template(), HERE / "view", "clip-view", server_functions)


def _canvas(panel: str, height: str, classes: str = "over") -> str:
    return figure(panel, PANELS[panel], height, "", classes)


def _slide(name: str, label: str, inside: str = "") -> str:
    return (
        f'<label class="slide grow">{label} <input class="{name}" type="range" min="0" max="1000" '
        f'value="500"><output class="{name}-at"></output></label>{inside}'
    )


def _template() -> str:
    as_trained = '<button type="button" class="trained-scale">as trained</button>'
    inside = {
        "Contrast": '<div class="bar wide"><label>Show <select class="show">'
        f"{options(SHOW)}</select></label>"
        f'{_slide("scale", "exp(t)", as_trained)}</div><div class="beside wide"><div class="left">'
        '<div class="matrix"></div><p class="losses" role="status"></p></div>'
        '<details class="steps" open><summary>The paper\'s pseudocode, with this run\'s shapes and values'
        '</summary><ol class="pseudocode"></ol></details></div>',
        "Train it here": '<div class="bar wide"><button type="button" class="train">Reset and train</button>'
        '<button type="button" class="halt">Stop</button><label>on <select class="batch">'
        '<option value="own">the collected pairs</option><option value="16">16 emoji by chance</option>'
        '<option value="48">48 emoji by chance</option></select></label><label>Seed <input class="seed" '
        'type="number" min="0" max="9999" value="0"></label></div><p class="told-train wide">'
        "Both projections are set to chance; the towers stay as they are. Train, and watch the diagonal."
        "</p>" + _canvas("diagonal", "side") + '<div class="curves">'
        + _canvas("losses", "low") + _canvas("scale", "low") + "</div>",
        "Zero-shot": '<div class="zero wide"><div class="left"><label>Labels, one a line'
        '<textarea class="labels" rows="6"></textarea></label></div><div class="right">'
        '<div class="bar"><label>Template <select class="template">'
        + options({name: name for name in TEMPLATES})
        + '</select></label><label class="for-sigmoid">Head <select class="kind"><option value="softmax">'
        'softmax: which of these?</option><option value="sigmoid">sigmoid: does it fit?</option></select>'
        f"</label></div><div class=\"bar\">{_slide('zero-scale', 'exp(t)')}</div>"
        '<div class="answer"></div></div></div><p class="told-zero wide" role="status"></p>',
        "Ground": '<form class="bar wide query"><label>Words <input class="words" type="text" value="spoon">'
        '</label><label>+ <input class="plus" type="text" aria-label="plus words"></label>'
        '<label>− <input class="minus" type="text" aria-label="minus words"></label>'
        '<label><input class="with-picture" type="checkbox"> + the chosen picture</label>'
        '<button type="submit">Find pictures</button></form><div class="found wide"></div>'
        '<p class="told-ground wide" role="status"></p><div class="bar wide"><button type="button" '
        'class="words-of">Words for the chosen picture</button></div><div class="near wide"></div>',
        "Where": '<form class="bar wide ask"><label class="grow">Words '
        '<input class="where-words" type="text">'
        '</label><button type="submit">Show where</button></form>'
        + _canvas("surgery", "third") + _canvas("gradient", "third") + _canvas("plain", "third")
        + '<p class="told-where wide" role="status"></p>',
    }  # fmt: skip
    layouts = {"Where": "three"}
    story = stages("clip", [(name, layouts.get(name, ""), inside[name]) for name in STAGES])
    return (
        '<div class="gb-clip" role="group" aria-label="Pictures and words in one space">'
        '<div class="collect"><div class="strip" role="group" aria-label="The collected pairs"></div>'
        '<div class="more"><button type="button" class="add" aria-expanded="false">+ a picture of the app'
        '</button><button type="button" class="draw" aria-expanded="false">+ draw one</button>'
        '<span class="count"></span></div></div>'
        '<div class="picker" hidden><label>Find <input class="find" type="search"></label>'
        '<div class="shelf"></div></div>'
        '<div class="sheet" hidden><canvas class="paper" width="256" height="256" role="img" '
        'aria-label="Paper to draw on"></canvas><div class="bar"><label>Colour '
        '<input class="ink" type="color" value="#d55e00"></label><label>Width '
        '<input class="pen" type="range" min="2" max="40" value="14">'
        '</label><button type="button" class="clean">Clean</button>'
        '<button type="button" class="take">Add the drawing</button></div></div>'
        f'<p class="alarm" role="alert"></p>{story}</div>'
    )
