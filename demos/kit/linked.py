"""A component whose picture is drawn by the topic's own script."""

from pathlib import Path

import gradio as gr
from gradio.data_classes import FileData
from gradio.processing_utils import save_bytes_to_cache
from gradio.utils import get_upload_folder

from demos.kit.pack import Packed

COMMON_CSS = (Path(__file__).parent / "static" / "linked.css").read_text(encoding="utf-8")


def linked_views(html: str, files: Path, elem_id: str, server_functions: list) -> gr.HTML:
    """Pictures that share one cursor.

    files: without their ending, the topic's style (.css, in addition to static/linked.css) and the script
    (.js) that draws the value. server_functions: what the script may ask, by their names.
    """
    css, script = (files.with_suffix(kind).read_text(encoding="utf-8") for kind in (".css", ".js"))
    return gr.HTML(
        html_template=html,
        css_template=COMMON_CSS + css,
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
    return {"file": stored(packed.blob, "picture.bin"), "parts": packed.parts, **packed.facts}


def stored(content: bytes, name: str) -> dict:
    """A file that the browser can fetch, for a place in a value."""
    return FileData(path=save_bytes_to_cache(content, name, get_upload_folder())).model_dump()
