"""Pictures that the app brings: emoji of its own sheet, and photographs of the libraries it needs anyway."""

import json
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from PIL import Image

EMOJI = Path(__file__).parents[2] / "assets" / "samples" / "emoji"
SIDE, COLUMNS = 64, 20  # pixels of a picture, pictures in a row of the sheet


@dataclass(frozen=True)
class Emoji:
    """One picture of the sheet. number: its place there, row by row. tags: other words for the thing.

    held_out: whether the pocket CLIP never saw this drawing while it was trained.
    """

    number: int
    label: str
    tags: tuple[str, ...]
    group: str
    held_out: bool


@cache
def emoji() -> tuple[Emoji, ...]:
    """All of the sheet, in its order."""
    rows = json.loads((EMOJI / "gallery.json").read_text(encoding="utf-8"))
    return tuple(
        Emoji(n, row["label"], tuple(row["tags"]), row["group"], row["held_out"])
        for n, row in enumerate(rows)
    )


def number_of(label: str) -> int:
    """The place of the emoji with this label. Raises StopIteration where none has it."""
    return next(row.number for row in emoji() if row.label == label)


@cache
def _sheet() -> Image.Image:
    return Image.open(EMOJI / "gallery.png").convert("RGBA")


def emoji_picture(number: int) -> Image.Image:
    """A picture of the sheet on white: RGB, 64 x 64 pixels."""
    x, y = number % COLUMNS * SIDE, number // COLUMNS * SIDE
    drawn = _sheet().crop((x, y, x + SIDE, y + SIDE))
    plain = Image.new("RGB", drawn.size, "white")
    plain.paste(drawn, mask=drawn.getchannel("A"))
    return plain


def cover(number: int, rows: int, columns: int) -> np.ndarray:
    """How much of each cell of a grid the drawn thing covers: [rows, columns], 0 to 1."""
    x, y = number % COLUMNS * SIDE, number // COLUMNS * SIDE
    alpha = _sheet().getchannel("A").crop((x, y, x + SIDE, y + SIDE))
    return np.asarray(alpha.resize((columns, rows), Image.Resampling.BOX)) / 255


def photograph(library: str, name: str) -> Path:
    """Where a picture file of an installed library lies. name: its path inside the library."""
    return Path(find_spec(library).origin).parent / name
