"""Arrays on their way to the browser: one binary file, and where in it each array lies."""

from dataclasses import dataclass

import gradio as gr
import numpy as np
from gradio.data_classes import FileData
from gradio.processing_utils import save_bytes_to_cache

WIRE_TYPES = {"f4": np.dtype("<f4"), "f2": np.dtype("<f2"), "i2": np.dtype("<i2")}

@dataclass(frozen=True)
class Packed:
    """A picture's data: `blob`, the bytes; `parts`, where each array lies; `facts`, plain values."""

    blob: bytes
    parts: dict[str, dict]
    facts: dict

def pack(arrays: dict[str, tuple[np.ndarray, str]], facts: dict) -> Packed:
    """The arrays in one run of bytes.

    arrays: name -> (array, wire type), the type "f4", "f2" (about three digits: for pictures) or
    "i2", in which the array is scaled so that its greatest value fits; `scale` gives it back.
    Each part is {dtype, shape, at (bytes), scale where there is one}.
    """
    blob, parts = bytearray(), {}
    for name, (array, wire) in arrays.items():
        part = {"dtype": wire, "shape": list(array.shape), "at": len(blob)}
        if wire == "i2":
            part["scale"] = float(np.max(np.abs(array), initial=0.0)) / 32767 or 1.0
            array = np.rint(array / part["scale"])
        parts[name] = part
        blob += np.ascontiguousarray(array, dtype=WIRE_TYPES[wire]).tobytes()
        blob += bytes(-len(blob) % 4)  # the next array starts where a float may start
    return Packed(bytes(blob), parts, facts)

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
