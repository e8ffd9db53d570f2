"""Arrays on their way to the browser: one binary file, and where in it each array lies."""

from dataclasses import dataclass

import numpy as np

WIRE_TYPES = {"f4": np.dtype("<f4"), "f2": np.dtype("<f2"), "i2": np.dtype("<i2"), "u1": np.dtype("u1")}


@dataclass(frozen=True)
class Packed:
    """A picture's data: `blob`, the bytes; `parts`, where each array lies; `facts`, plain values."""

    blob: bytes
    parts: dict[str, dict]
    facts: dict


def pack(arrays: dict[str, tuple[np.ndarray, str]], facts: dict) -> Packed:
    """The arrays in one run of bytes.

    arrays: name -> (array, wire type), the type "f4", "f2" (about three digits: for pictures),
    "u1" (whole numbers from 0 to 255) or "i2", in which the array is scaled so that its greatest value
    fits; `scale` gives it back.
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
