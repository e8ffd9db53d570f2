"""A component whose picture is drawn by the topic's own script."""

import gradio as gr
from gradio.data_classes import FileData
from gradio.processing_utils import save_bytes_to_cache

from demos.kit.pack import Packed

class LinkedViews(gr.HTML):
    """Canvases that share one cursor, drawn by the topic's script from a `Packed` value.

    The bytes go out as a file, which costs a third of what they cost inside the value.
    """

    def postprocess(self, value: Packed | None) -> dict | None:
        if value is None:
            return None
        path = save_bytes_to_cache(value.blob, "picture.bin", self.GRADIO_CACHE)
        self.temp_files.add(path)  # so that the app's delete_cache removes it in time
        return {"file": FileData(path=path).model_dump(), "parts": value.parts, **value.facts}

    def api_info(self) -> dict:
        return {"type": "object", "description": "the picture's file, its parts and facts"}
    from collections.abc import Callable, Sequence
    from typing import TYPE_CHECKING, Any, Literal

    from gradio.blocks import Block

    if TYPE_CHECKING:
        from gradio.components import Timer
        from gradio.components.base import Component
