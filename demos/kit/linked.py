"""A component whose picture is drawn by the topic's own script."""

import gradio as gr
from gradio.data_classes import FileData
from gradio.processing_utils import save_bytes_to_cache
from gradio.utils import get_upload_folder

from demos.kit.pack import Packed


def linked_views(html: str, css: str, script: str, elem_id: str, server_functions: list) -> gr.HTML:
    """Canvases that share one cursor. The script draws the value, which is a `served` one."""
    return gr.HTML(
        html_template=html,
        css_template=css,
        js_on_load=script,
        server_functions=server_functions,
        elem_id=elem_id,
        apply_default_css=False,
    )


def served(packed: Packed) -> dict:
    """The value of linked views: where the browser fetches the bytes, their parts, and the facts.

    As a file the bytes cost a third of what they cost inside the value. Gradio's cache holds the file
    under the hash of its content and removes it as the app's `delete_cache` says.
    """
    path = save_bytes_to_cache(packed.blob, "picture.bin", get_upload_folder())
    return {"file": FileData(path=path).model_dump(), "parts": packed.parts, **packed.facts}
