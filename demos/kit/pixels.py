"""The many ways a picture's numbers can be stored, as 8-bit RGB on white, standing upright."""

import struct

from PIL import ExifTags, Image

from demos.kit.inputs import InputError

MODES = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr", "I;16", "I;16B")
ON_WHITE = "Parts of the picture are transparent; they are shown on white."

# What an EXIF orientation asks for; 1 is upright already.
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
SIDEWAYS = (5, 6, 7, 8)  # these swap width and height

# What Pillow's decoders were seen to raise for damaged bytes; it promises no common class.
DAMAGE = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    LookupError,
    ArithmeticError,
    RuntimeError,
    struct.error,
)


def packing(image: Image.Image) -> str:
    """Pillow's name of how the file packs its pixels, such as "RGB;16B". It is gone once it is decoded."""
    return " ".join(str(tile[3]) for tile in getattr(image, "tile", ()))


def orientation(image: Image.Image) -> int:
    """1 to 8 as EXIF counts, of a decoded picture; 1 where nothing is said or it cannot be read."""
    try:
        said = image.getexif().get(ExifTags.Base.Orientation)
    except DAMAGE:
        return 1
    return said if said in TURNS else 1


def eight_bits(image: Image.Image, packed: str, name: str) -> tuple[Image.Image, list[str]]:
    """The picture in RGB or RGBA, and a sentence for each thing that got lost.

    packed: what `packing` said. Raises InputError for numbers whose range the file does not say (12 bits,
    32 bits, with a sign), and for LAB.
    """
    notices = []
    if image.mode not in MODES or "I;12" in packed:
        raise InputError(
            f"A picture in grey, RGB or CMYK with 8 or 16 bits a channel is expected; {name} is not, "
            f"its kind is {packed or image.mode}."
        )
    if ";16" in packed or ";16" in image.mode:
        notices.append("16 bits a channel came; 8 are used.")
        # Pillow would compare this colour of 16 bits with pixels of 8.
        if image.info.pop("transparency", None) is not None:
            notices.append("One colour is marked as transparent; it is shown as it is.")
    if ";16" in image.mode:  # Pillow's own conversion would clip at 255
        image = image.convert("I").point(lambda value: value / 257 + 0.5).convert("L")
    if image.mode == "CMYK":
        notices.append("CMYK colours came; they are turned into RGB without a colour profile.")
    mode = "RGBA" if image.has_transparency_data else "RGB"
    return image if image.mode == mode else image.convert(mode), notices


def on_white(image: Image.Image) -> tuple[Image.Image, list[str]]:
    """RGB or RGBA as RGB, with a sentence where something shows through."""
    if image.mode == "RGB":
        return image, []
    white = Image.new("RGB", image.size, "white")
    white.paste(image, mask=image)
    seen_through = image.getchannel("A").getextrema()[0] < 255
    return white, [ON_WHITE] if seen_through else []
