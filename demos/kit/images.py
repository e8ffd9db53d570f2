"""Pictures as visitors bring them: an upright RGB picture of 8 bits a channel, or one sentence why not."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from demos.kit.inputs import InputError, check_file
from demos.kit.pixels import DAMAGE, ON_WHITE, SIDEWAYS, TURNS, eight_bits, on_white, orientation, packing

LEAST = 8  # pixels on the shorter side
MOST = 40_000_000  # pixels in all, as the file's head says them
LONGEST = 2048  # pixels on the longer side; more is reduced to it

# Named, so that Pillow's rarer decoders never see what a visitor sent.
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF")
# We refuse long before Pillow would warn, and warnings.catch_warnings is not safe among threads.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)


@dataclass(frozen=True)
class Picture:
    """image: RGB, upright, 8 bits a channel; notices: what was changed on the way, a sentence each."""

    image: Image.Image
    notices: tuple[str, ...] = ()


def read_picture(path: str | Path | None, least: int = LEAST, most: int = MOST) -> Picture:
    """A picture file as an upright RGB picture of at most 2048 pixels on the longer side.

    least: pixels that the shorter side must have; most: pixels in all, both checked before anything is
    decoded. Colour profiles are not applied. Raises InputError for no file, an empty one, what is no
    picture in one of FORMATS, a damaged or cut one, and sizes that do not fit.
    """
    path = check_file("picture", path, "upload one, take a photo or choose a sample")
    if _is_svg(path):
        raise InputError(f"A picture of pixels is expected; {path.name} is an SVG drawing, save it as PNG.")
    with _reading(path.name, most, "is none of these, is damaged or has no pixels"):
        file = Image.open(path, formats=FORMATS)
    with file:
        return _made_plain(file, path.name, least, most)


def picture_from_drawing(value: dict | None, least: int = LEAST, most: int = MOST) -> Picture:
    """What a gr.ImageEditor holds, as it looks on white paper.

    value: its "composite" is the path of a file or a PIL image. Raises InputError as read_picture, and
    for a sheet that is empty or all white.
    """
    drawn = (value or {}).get("composite")
    if drawn is None:
        raise InputError("A drawing is expected; the sheet is empty.")
    if isinstance(drawn, Image.Image):
        picture = _made_plain(drawn, "the drawing", least, most)
    else:
        picture = read_picture(drawn, least, most)
    if picture.image.getextrema() == ((255, 255),) * 3:
        raise InputError("A drawing is expected; the sheet is all white.")
    return Picture(picture.image, tuple(notice for notice in picture.notices if notice != ON_WHITE))


@contextmanager
def _reading(name: str, most: int, what_came: str) -> Iterator[None]:
    """Around Pillow's decoders and nothing of ours, so that a bug is not taken for a damaged file."""
    try:
        yield
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise InputError(
            f"A picture of at most {most:,} pixels is expected; {name} has more than "
            f"{Image.MAX_IMAGE_PIXELS:,}."
        ) from None
    except DAMAGE:
        kinds = ", ".join(FORMATS)
        raise InputError(f"A picture ({kinds}) is expected; {name} {what_came}.") from None


def _is_svg(path: Path) -> bool:
    with path.open("rb") as file:
        head = file.read(1024).lstrip(b"\xef\xbb\xbf \t\r\n")
    return head.startswith(b"<") and b"<svg" in head


def _made_plain(image: Image.Image, name: str, least: int, most: int) -> Picture:
    """An opened picture, not decoded yet, in the form that Picture promises."""
    _check_size(image.size, name, least, most)
    notices = []
    with _reading(name, most, "is cut off or damaged"):
        frames = _frames(image)
    if frames:
        notices.append(f"{frames} came; the first one is used.")
    packed, size = packing(image), image.size
    target = _reduced(size)
    image.draft(None, target)  # a JPEG can be decoded at a half, a quarter or an eighth of its size
    with _reading(name, most, "is cut off or damaged"):
        image.load()
    turn = orientation(image)
    plain, lost = eight_bits(image, packed, name)
    if plain.size != target:
        plain = plain.resize(target, Image.Resampling.LANCZOS, reducing_gap=2)
    plain, seen_through = on_white(plain)
    notices += lost + seen_through
    if turn in TURNS:
        plain = plain.transpose(TURNS[turn])
    if size != target:
        came = size[::-1] if turn in SIDEWAYS else size
        notices.append(f"{_by(came)} pixels came; they are reduced to {_by(plain.size)}.")
    plain = plain.copy()
    plain.info = {}  # else a profile of the colours that came would go on with other colours
    return Picture(plain, tuple(notices))


def _check_size(size: tuple[int, int], name: str, least: int, most: int) -> None:
    """size: width and height in pixels. Raises InputError where they do not fit."""
    came = f"{name} is {_by(size)}"
    if size[0] * size[1] > most:
        raise InputError(
            f"A picture of at most {most:,} pixels is expected; {came}, that is {size[0] * size[1]:,}."
        )
    if min(size) < least:
        raise InputError(f"A picture of at least {least} × {least} pixels is expected; {came}.")
    if max(size) * least > LONGEST * min(size):  # reduced, it would have less than `least`
        raise InputError(
            f"A picture at most {LONGEST / least:g} times as long as wide is expected; {came} pixels."
        )


def _by(size: tuple[int, int]) -> str:
    return f"{size[0]} × {size[1]}"


def _reduced(size: tuple[int, int]) -> tuple[int, int]:
    """Width and height with the longer side at most LONGEST, in the same proportion."""
    factor = min(1, LONGEST / max(size))
    return round(size[0] * factor), round(size[1] * factor)


def _frames(image: Image.Image) -> str:
    """How many frames, in words, or "" for one."""
    if not getattr(image, "is_animated", False):
        return ""
    if image.format == "TIFF":  # not counted: Pillow's way takes a time that grows with their square
        return "Several pages"
    return f"{image.n_frames} {'pictures' if image.format == 'MPO' else 'frames'}"
