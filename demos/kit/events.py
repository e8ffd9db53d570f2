"""From a handler to a page event: what the visitor got wrong becomes a sentence on the page."""

import functools
import inspect
from collections.abc import Callable

import gradio as gr

from demos.kit.inputs import InputError

_TEMPLATE = '<p class="gb-said" role="alert"></p>'
_CSS = (
    ".gb-said{margin:0;padding:.5rem .75rem;border-left:4px solid #D55E00;"
    "background:var(--background-fill-secondary);color:var(--body-text-color);"
    "font-size:var(--text-md)} .gb-said:empty{display:none}"
)
# textContent, because the sentence may quote what the visitor gave.
_SCRIPT = """
const line = element.querySelector('.gb-said');
const say = () => { line.textContent = props.value || ''; };
watch('value', say); say();
"""


def message(elem_id: str) -> gr.HTML:
    """The line of a page that says what was wrong with an input; it takes no room while empty."""
    return gr.HTML(
        "",
        html_template=_TEMPLATE,
        css_template=_CSS,
        js_on_load=_SCRIPT,
        elem_id=elem_id,
        elem_classes="gb-message",
    )


def answering(handler: Callable, outputs: int) -> Callable:
    """The handler with a message before its `outputs` results: "" or the InputError's sentence.

    After an InputError the page keeps what it showed. Any other error is a bug and stays one. A handler
    that is a generator gives one that yields.
    """

    def refused(error: InputError) -> tuple:
        return (str(error), *[gr.skip()] * outputs)

    @functools.wraps(handler)
    def on_page(*inputs):
        try:
            return ("", *handler(*inputs))
        except InputError as error:
            return refused(error)

    @functools.wraps(handler)
    def streaming(*inputs):
        try:
            for results in handler(*inputs):
                yield ("", *results)
        except InputError as error:
            yield refused(error)

    return streaming if inspect.isgeneratorfunction(handler) else on_page
