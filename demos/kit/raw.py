"""Numbers to and from a page's script as raw bytes in base64, where a file would be too much."""

import base64
import binascii

import numpy as np

from demos.kit.inputs import InputError


def base64_of(array: np.ndarray) -> str:
    """The array's numbers as little-endian float32, as base64."""
    return base64.b64encode(np.ascontiguousarray(array, "<f4").tobytes()).decode()


def rgba(given: object, height: int, width: int, what: str) -> np.ndarray:
    """Pixels from a page's canvas: [height, width, 4], 0 to 255. what: names them in the sentence.

    Raises InputError for anything but base64 of that many bytes.
    """
    try:
        raw = base64.b64decode(given, validate=True)
    except (TypeError, binascii.Error):
        raw = b""
    if len(raw) != height * width * 4:
        raise InputError(f"{what} must be base64 of {height} x {width} x 4 bytes; {len(raw):,} bytes came.")
    return np.frombuffer(raw, np.uint8).reshape(height, width, 4)
