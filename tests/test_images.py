"""Picture files as visitors bring them, each made here: read upright in RGB, or refused in one sentence."""

import hashlib
import io
import struct
import subprocess
import sys
import time
import warnings
import zlib
from pathlib import Path

import gradio as gr
import httpx
import numpy as np
import pytest
from gradio_client import Client, handle_file
from PIL import Image, ImageCms, ImageFile, ImageOps, TiffImagePlugin

from demos.kit.images import FORMATS, picture_from_drawing, read_picture
from demos.kit.inputs import InputError
from demos.kit.widgets import picture_input

ROOT = Path(__file__).parents[1]
ORIENTATION = 0x0112
# 24 wide, 16 high: a colour for each quarter, so that every turn and flip looks different.
QUARTERS = np.zeros((16, 24, 3), np.uint8)
QUARTERS[:8, :12], QUARTERS[:8, 12:], QUARTERS[8:, :12], QUARTERS[8:, 12:] = (
    (250, 10, 10),
    (10, 250, 10),
    (10, 10, 250),
    (250, 250, 10),
)
PICTURE = Image.fromarray(QUARTERS)
CENTRES = (slice(4, None, 8), slice(3, None, 6))  # away from the edges, which JPEG and its like blur
SENTENCE = r"^A (picture|drawing)[^\n]*expected[^\n]*\.$"


def saved(folder, name, image, **how):
    path = folder / name
    image.save(path, **how)
    return path


def written(folder, name, content):
    path = folder / name
    path.write_bytes(content)
    return path


def refused(path, **limits):
    """The sentence with which the file is refused."""
    with pytest.raises(InputError, match=SENTENCE) as error:
        read_picture(path, **limits)
    return str(error.value)


def pixels(path):
    picture = read_picture(path)
    assert (picture.image.mode, type(picture.image), picture.image.info) == ("RGB", Image.Image, {})
    return np.asarray(picture.image).astype(int), picture.notices


def png(width, height, bits, colour, rows=b"", *more):
    """A PNG by hand; colour: 0 grey, 2 RGB, 4 grey and alpha, 6 RGBA; more: (name, content) of chunks."""
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)), *more]
    chunks += [(b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    packed = (struct.pack(">I", len(c)) + n + c + struct.pack(">I", zlib.crc32(n + c)) for n, c in chunks)
    return b"\x89PNG\r\n\x1a\n" + b"".join(packed)


def rows_of(values):
    """values [h, w, c] of 16 bits as the rows of a PNG without a filter."""
    return b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)


def gif(width, height):
    image = b"," + bytes(4) + struct.pack("<HH", width, height) + b"\0\x02\x02\x4c\x01\0;"
    return b"GIF89a" + struct.pack("<HHBBB", width, height, 0, 0, 0) + image


def bmp(width, height):
    head = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 24, 0, 0, 0, 0, 0, 0)
    return b"BM" + struct.pack("<IHHI", 54 + len(head), 0, 0, 54) + head


def jpeg(width, height):
    """A small JPEG whose head says another size."""
    file = io.BytesIO()
    PICTURE.save(file, "JPEG")
    before, after = file.getvalue().split(b"\xff\xc0", 1)
    return before + b"\xff\xc0" + after[:3] + struct.pack(">HH", height, width) + after[7:]


# --- what is read ---


@pytest.mark.parametrize(
    "kind, how, error",
    [
        ("png", {}, 0),
        ("bmp", {}, 0),
        ("gif", {}, 0),
        ("tiff", {}, 0),
        ("tiff", {"compression": "tiff_lzw"}, 0),
        ("webp", {"lossless": True}, 0),
        ("jpg", {"quality": 95, "subsampling": 0}, 4),
        ("avif", {"quality": 95}, 6),
    ],
)
def test_formats_are_read_as_they_are(tmp_path, kind, how, error):
    values, notices = pixels(saved(tmp_path, f"a.{kind}", PICTURE, **how))
    assert notices == ()
    np.testing.assert_allclose(values[CENTRES], QUARTERS[CENTRES], atol=error)


def test_the_name_does_not_decide_the_format(tmp_path):
    values, _ = pixels(saved(tmp_path, "really a png.jpg", PICTURE, format="PNG"))
    np.testing.assert_array_equal(values, QUARTERS)


UPRIGHT = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.transpose(1, 0, 2),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: a[::-1, ::-1].transpose(1, 0, 2),
    8: lambda a: np.rot90(a, 1),
}


@pytest.mark.parametrize("orientation", UPRIGHT)
@pytest.mark.parametrize(
    "kind", [kind for kind in ("JPEG", "PNG", "WEBP", "TIFF", "AVIF") if kind in FORMATS]
)
def test_exif_orientation_is_honoured(tmp_path, kind, orientation):
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    path = saved(tmp_path, f"a.{kind.lower()}", PICTURE, format=kind, exif=exif, quality=95)
    values, notices = pixels(path)
    expected = UPRIGHT[orientation](QUARTERS)
    centres = CENTRES if orientation < 5 else CENTRES[::-1]
    np.testing.assert_allclose(values[centres], expected[centres], atol=40)
    with Image.open(path) as file:
        np.testing.assert_array_equal(values, np.asarray(ImageOps.exif_transpose(file)))
    assert notices == ()


@pytest.mark.parametrize("exif", [b"Exif\0\0", b"Exif\0\0no TIFF at all", b"Exif\0\0MM\0*\0\0\0\x08\xff\xff"])
def test_exif_that_cannot_be_read_turns_nothing(tmp_path, exif):
    values, _ = pixels(saved(tmp_path, "a.webp", PICTURE, exif=exif, lossless=True))
    np.testing.assert_array_equal(values, QUARTERS)


def test_grey_one_bit_and_palette(tmp_path):
    grey = np.arange(256, dtype=np.uint8).reshape(16, 16)
    values, notices = pixels(saved(tmp_path, "grey.png", Image.fromarray(grey)))
    np.testing.assert_array_equal(values, np.repeat(grey[..., None], 3, axis=2))
    one_bit, _ = pixels(saved(tmp_path, "bit.png", Image.fromarray(grey > 99)))
    np.testing.assert_array_equal(one_bit[..., 0], 255 * (grey > 99))
    palette, _ = pixels(saved(tmp_path, "palette.png", PICTURE.quantize(4)))
    np.testing.assert_array_equal(palette, QUARTERS)
    assert notices == ()


@pytest.mark.parametrize("kind, order", [("png", "<u2"), ("tiff", "<u2"), ("tiff", ">u2")])
def test_sixteen_bits_of_grey_are_scaled_and_not_clipped(tmp_path, kind, order):
    every = np.arange(65536).reshape(256, 256)
    path = saved(tmp_path, f"deep.{kind}", Image.fromarray(every.astype(order)))
    values, notices = pixels(path)
    np.testing.assert_array_equal(values, np.rint(every / 257)[..., None].repeat(3, axis=2))
    assert notices == ("16 bits a channel came; 8 are used.",)


def test_sixteen_bits_of_colour(tmp_path):
    deep = np.random.default_rng(1).integers(0, 65536, (16, 16, 3))
    values, notices = pixels(written(tmp_path, "deep.png", png(16, 16, 16, 2, rows_of(deep))))
    np.testing.assert_allclose(values, deep / 257, atol=1)
    assert notices == ("16 bits a channel came; 8 are used.",)


def test_sixteen_bits_with_transparency(tmp_path):
    deep = np.random.default_rng(1).integers(0, 65536, (16, 16, 2))
    values, notices = pixels(written(tmp_path, "deep.png", png(16, 16, 16, 4, rows_of(deep))))
    grey, alpha = deep[..., 0] / 257, deep[..., 1] / 65535
    np.testing.assert_allclose(values[..., 0], alpha * grey + (1 - alpha) * 255, atol=2)
    assert notices[0].startswith("16 bits") and "shown on white" in notices[1]
    deep[...] = 0x1234
    for colour, channels in ((0, 1), (2, 3)):
        marked = png(
            16, 16, 16, colour, rows_of(deep[..., :1].repeat(channels, 2)), (b"tRNS", b"\x12\x34" * channels)
        )
        values, notices = pixels(written(tmp_path, "marked.png", marked))
        assert set(values.ravel()) == {0x12}
        assert notices[1] == "One colour is marked as transparent; it is shown as it is."


def test_transparency_is_shown_on_white(tmp_path):
    alpha = np.linspace(0, 255, 24).astype(np.uint8)[None].repeat(16, 0)
    expected = (QUARTERS * (alpha[..., None] / 255.0)) + 255 - alpha[..., None]
    clear = Image.fromarray(np.dstack([QUARTERS, alpha]))
    for name, how in (("a.png", {}), ("a.webp", {"lossless": True, "exact": True}), ("a.tiff", {})):
        values, notices = pixels(saved(tmp_path, name, clear, **how))
        np.testing.assert_allclose(values, expected, atol=1)
        assert notices == ("Parts of the picture are transparent; they are shown on white.",)
    grey, _ = pixels(saved(tmp_path, "la.png", Image.fromarray(np.dstack([QUARTERS[..., 0], alpha]))))
    np.testing.assert_allclose(grey[..., 1], expected[..., 0], atol=1)


@pytest.mark.parametrize(
    "kind, mode, colour",
    [
        *[("png", mode, colour) for mode, colour in (("P", 1), ("L", 1), ("1", 0), ("RGB", (1, 1, 1)))],
        *[("gif", mode, colour) for mode, colour in (("P", 1), ("L", 1), ("1", 0))],  # it has a palette
    ],
)
def test_one_transparent_colour_is_shown_as_white(tmp_path, kind, mode, colour):
    image = Image.new(mode, (16, 16), colour)
    if mode == "P":
        image.putpalette([0, 0, 0, 0, 0, 0, 200, 0, 0])
    image.paste({"P": 2, "L": 90, "1": 1, "RGB": (90, 0, 0)}[mode], (8, 0, 16, 16))
    values, notices = pixels(saved(tmp_path, f"a.{kind}", image, transparency=colour))
    assert set(values[:, :8].ravel()) == {255}
    assert values[0, 15, 0] == {"P": 200, "L": 90, "1": 255, "RGB": 90}[mode]
    assert "shown on white" in notices[0]


def test_a_palette_with_degrees_of_transparency(tmp_path):
    image = Image.new("P", (16, 16), 1)
    image.putpalette([0, 0, 0, 200, 0, 0])
    values, notices = pixels(saved(tmp_path, "a.png", image, transparency=bytes([0, 51])))
    assert values[0, 0].tolist() == [244, 204, 204]  # a fifth of (200, 0, 0) on white
    assert "shown on white" in notices[0]


def test_an_alpha_channel_that_hides_nothing_is_not_worth_a_notice(tmp_path):
    values, notices = pixels(saved(tmp_path, "a.png", PICTURE.convert("RGBA")))
    np.testing.assert_array_equal(values, QUARTERS)
    assert notices == ()


CMYK = {(0, 0, 0, 0): (255, 255, 255), (255, 0, 0, 0): (0, 255, 255), (0, 255, 0, 0): (255, 0, 255)}
CMYK |= {(0, 0, 255, 0): (255, 255, 0), (0, 0, 0, 255): (0, 0, 0), (0, 0, 0, 128): (127, 127, 127)}


@pytest.mark.parametrize("inks", CMYK)
def test_cmyk_becomes_rgb(tmp_path, inks):
    path = saved(tmp_path, "inks.jpg", Image.new("CMYK", (16, 16), inks), quality=100)
    adobe = path.read_bytes()
    assert b"Adobe" in adobe  # so its inks are inverted: 0 is full
    values, notices = pixels(path)
    np.testing.assert_allclose(values, np.broadcast_to(CMYK[inks], values.shape), atol=3)
    assert notices == ("CMYK colours came; they are turned into RGB without a colour profile.",)
    # Without Adobe's mark, as browsers do: the same. The preview shows what is read.
    at = adobe.index(b"\xff\xee")
    unmarked = written(tmp_path, "unmarked.jpg", adobe[:at] + adobe[at + 16 :])
    np.testing.assert_array_equal(pixels(unmarked)[0], values)
    # Adobe's other way, YCCK: the inks as luma and chroma, beside inverted black.
    cyan, magenta, yellow, black = inks
    ycc = Image.new("RGB", (1, 1), (cyan, magenta, yellow)).convert("YCbCr").getpixel((0, 0))
    ycck = Image.new("CMYK", (16, 16), (*(255 - part for part in ycc), black))
    content = saved(tmp_path, "ycck.jpg", ycck, quality=100).read_bytes()
    at = content.index(b"Adobe") + 11
    assert content[at] == 0
    converted = written(tmp_path, "ycck.jpg", content[:at] + b"\x02" + content[at + 1 :])
    np.testing.assert_allclose(pixels(converted)[0], values, atol=4)


def test_cmyk_in_a_tiff(tmp_path):
    values, notices = pixels(saved(tmp_path, "inks.tiff", Image.new("CMYK", (16, 16), (255, 0, 0, 0))))
    assert values[0, 0].tolist() == [0, 255, 255] and "CMYK" in notices[0]


@pytest.mark.parametrize(
    "profile", [ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes(), b"none"]
)
@pytest.mark.parametrize("kind", ["png", "jpg", "webp", "tiff"])
def test_a_colour_profile_does_no_harm_and_does_not_go_on(tmp_path, kind, profile):
    values, notices = pixels(saved(tmp_path, f"a.{kind}", PICTURE, icc_profile=profile, quality=95))
    np.testing.assert_allclose(values[CENTRES], QUARTERS[CENTRES], atol=40)
    assert notices == ()


@pytest.mark.parametrize(
    "kind, notice",
    [
        ("GIF", "3 frames came"),
        ("WEBP", "3 frames came"),
        ("PNG", "3 frames came"),
        ("AVIF", "3 frames came"),
        ("TIFF", "Several pages came"),
        ("MPO", "3 pictures came"),
    ],
)
def test_of_several_frames_the_first_is_used(tmp_path, kind, notice):
    frames = [Image.new("RGB", (16, 16), colour) for colour in ("red", "lime", "blue")]
    path = saved(tmp_path, "moving", frames[0], format=kind, save_all=True, append_images=frames[1:])
    values, notices = pixels(path)
    np.testing.assert_allclose(values, np.broadcast_to((255, 0, 0), values.shape), atol=6)
    assert notices == (f"{notice}; the first one is used.",)


def test_the_pages_of_a_tiff_are_not_counted(tmp_path, monkeypatch):
    path = saved(tmp_path, "a.tiff", PICTURE, save_all=True, append_images=[PICTURE])
    monkeypatch.setattr(TiffImagePlugin.TiffImageFile, "n_frames", property(lambda self: 1 / 0))
    assert read_picture(path).notices


# --- sizes ---


def test_a_large_picture_is_reduced_with_a_notice(tmp_path):
    ramp = np.linspace(0, 255, 5000)[None].repeat(3000, 0).astype(np.uint8)
    values, notices = pixels(saved(tmp_path, "large.png", Image.fromarray(ramp)))
    assert values.shape == (1229, 2048, 3)
    assert notices == ("5000 × 3000 pixels came; they are reduced to 2048 × 1229.",)
    np.testing.assert_allclose(values[600, :, 0], np.linspace(0, 255, 2048), atol=2)
    assert pixels(saved(tmp_path, "fits.png", Image.new("L", (2048, 8))))[1] == ()


def test_a_large_jpeg_is_decoded_at_less_than_its_size(tmp_path, monkeypatch):
    wide, high = np.meshgrid(np.linspace(0, 255, 4400), np.linspace(0, 255, 3300))
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    ramps = Image.fromarray(np.dstack([wide, high, 0 * wide]).astype(np.uint8))
    path = saved(tmp_path, "photo.jpg", ramps, exif=exif)
    decoded = []
    load = ImageFile.ImageFile.load
    monkeypatch.setattr(ImageFile.ImageFile, "load", lambda self: (decoded.append(self.size), load(self))[1])
    values, notices = pixels(path)
    assert set(decoded) == {(2200, 1650)}
    assert notices == ("3300 × 4400 pixels came; they are reduced to 1536 × 2048.",)
    upright = np.asarray(ramps.resize((2048, 1536)).transpose(Image.Transpose.ROTATE_270))
    assert values.shape == upright.shape
    assert np.abs(values - upright).mean() < 2


def test_what_is_hidden_by_transparency_does_not_bleed_when_reduced(tmp_path):
    half = np.zeros((2100, 2100, 4), np.uint8)
    half[:, :1050], half[:, 1050:] = (255, 0, 0, 255), (0, 255, 0, 0)
    values, notices = pixels(saved(tmp_path, "half.png", Image.fromarray(half), compress_level=1))
    assert values[..., 0].min() >= 254  # red on white, and no green between
    assert [notice.split()[0] for notice in notices] == ["Parts", "2100"]


@pytest.mark.parametrize("make", [lambda w, h: png(w, h, 8, 2), gif, bmp, jpeg])
@pytest.mark.parametrize("side", [7000, 10_000, 20_000])
def test_too_large_a_picture_is_refused_by_its_head(tmp_path, monkeypatch, make, side):
    monkeypatch.setattr(ImageFile.ImageFile, "load", lambda self: pytest.fail("was decoded"))
    path = written(tmp_path, "large", make(side, side))
    assert path.stat().st_size < 2000
    start = time.perf_counter()
    with warnings.catch_warnings():  # pytest shows what the app does not
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        said = refused(path)
    assert time.perf_counter() - start < 1
    came = "has more than 89,478,485" if side == 20_000 else f"is {side} × {side}, that is {side**2:,}"
    assert said == f"A picture of at most 40,000,000 pixels is expected; large {came}."


@pytest.mark.parametrize("flags", [[], ["-W", "error::RuntimeWarning"]])
def test_no_warning_of_pillow_about_large_pictures_comes_through(tmp_path, flags):
    paths = [str(written(tmp_path, f"{side}.png", png(side, side, 8, 2))) for side in (10_000, 20_000)]
    code = (
        "import sys\nfrom demos.kit.images import read_picture\nfrom demos.kit.inputs import InputError\n"
        "for path in sys.argv[1:]:\n"
        "    try: read_picture(path)\n"
        "    except InputError as error: print(error)"
    )
    done = subprocess.run(
        [sys.executable, *flags, "-c", code, *paths], capture_output=True, text=True, cwd=ROOT
    )
    assert done.stderr == ""
    assert done.stdout.count("at most 40,000,000 pixels is expected") == 2


def test_a_warning_of_pillow_that_was_made_an_error_is_a_refusal_too(tmp_path):
    path = written(tmp_path, "large.png", png(10_000, 10_000, 8, 2))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert "has more than 89,478,485" in refused(path)


@pytest.mark.parametrize(
    "size, words",
    [
        ((1, 1), "at least 8 × 8 pixels is expected; a.png is 1 × 1."),
        ((1, 5000), "at least 8 × 8 pixels is expected; a.png is 1 × 5000."),
        ((7, 8), "at least 8 × 8 pixels is expected; a.png is 7 × 8."),
        ((2049, 8), "at most 256 times as long as wide is expected; a.png is 2049 × 8 pixels."),
        ((20, 5200), "at most 256 times as long as wide is expected; a.png is 20 × 5200 pixels."),
    ],
)
def test_too_small_and_too_narrow(tmp_path, size, words):
    assert refused(saved(tmp_path, "a.png", Image.new("RGB", size))).endswith(words)


def test_the_limits_themselves_are_allowed(tmp_path):
    assert read_picture(saved(tmp_path, "a.png", Image.new("L", (8, 8)))).image.size == (8, 8)
    assert read_picture(saved(tmp_path, "b.png", Image.new("L", (16, 4096)))).image.size == (8, 2048)
    path = saved(tmp_path, "c.png", Image.new("L", (10, 40)))
    assert read_picture(path, least=10, most=400).image.size == (10, 40)
    assert "at least 11 × 11" in refused(path, least=11)
    assert "at most 399 pixels is expected; c.png is 10 × 40, that is 400." in refused(path, most=399)


# --- what is refused ---


def test_no_file_a_missing_one_and_an_empty_one(tmp_path):
    assert refused(None) == "A picture is expected: upload one, take a photo or choose a sample."
    assert "gone.png is not there" in refused(tmp_path / "gone.png")
    assert "is not there" in refused(tmp_path)
    assert "empty.png is empty (0 bytes)" in refused(written(tmp_path, "empty.png", b""))


SVG = b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><rect width="9" height="9"/></svg>'


@pytest.mark.parametrize("before", [b"", b"\xef\xbb\xbf\n", b'<?xml version="1.0"?>\n<!-- a drawing -->\n'])
def test_svg_is_refused(tmp_path, before):
    assert "a.png is an SVG drawing" in refused(written(tmp_path, "a.png", before + SVG))


@pytest.mark.parametrize(
    "content",
    [
        b"This is no picture.",
        bytes(range(256)) * 8,
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 99 99\n%%EndComments\nshowpage\n",
        b"8BPS\0\x01" + bytes(6) + struct.pack(">HIIHH", 3, 99, 99, 8, 3) + bytes(200),
        b"P6 9 9 255\n" + bytes(243),
        png(0, 9, 8, 2),
        png(9, 0, 8, 2),
        gif(0, 0),
        bmp(0, 9),
        jpeg(0, 16),
        png(9, 9, 8, 2)[:20],
    ],
    ids=["text", "noise", "eps", "psd", "ppm", "png w", "png h", "gif", "bmp", "jpeg", "head"],
)
def test_what_is_no_picture_of_these_formats_or_has_no_pixels(tmp_path, content):
    said = refused(written(tmp_path, "a.png", content))
    assert said == (
        f"A picture ({', '.join(FORMATS)}) is expected; a.png is none of these, is damaged or has no pixels."
    )


@pytest.mark.parametrize("kind", FORMATS)
def test_a_picture_cut_off_is_refused(tmp_path, kind):
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8))
    whole = saved(tmp_path, "whole", noise, format=kind).read_bytes()
    said = refused(written(tmp_path, "cut", whole[: len(whole) // 2]))
    if kind in ("JPEG", "PNG", "BMP", "TIFF"):
        assert said.endswith("cut is cut off or damaged.") or kind == "TIFF"  # its directory is at the end


@pytest.mark.parametrize("kind", FORMATS)
def test_wherever_it_is_cut_off_there_is_a_picture_or_a_sentence(tmp_path, kind):
    frames = [Image.new("RGB", (16, 16), colour) for colour in ("red", "lime")]
    several = {"save_all": True, "append_images": frames[1:]} if kind not in ("JPEG", "BMP") else {}
    whole = saved(tmp_path, "whole", frames[0], format=kind, **several).read_bytes()
    assert "none of these" in refused(written(tmp_path, "cut", whole[:9]))
    for length in range(9, len(whole)):
        try:
            read_picture(written(tmp_path, "cut", whole[:length]))
        except InputError as error:
            assert str(error).endswith(("is cut off or damaged.", "is damaged or has no pixels."))


def test_kinds_of_numbers_without_a_known_range_are_refused(tmp_path):
    for kind, image in {
        "F;32F": Image.fromarray(np.zeros((16, 16), np.float32)),
        "I;32S": Image.fromarray(np.zeros((16, 16), np.int32)),
        "LAB": Image.new("LAB", (16, 16)),
    }.items():
        said = refused(saved(tmp_path, "a.tiff", image))
        assert "8 or 16 bits a channel is expected; a.tiff is not, its kind is" in said and kind in said
    sixteen = saved(tmp_path, "b.tiff", Image.fromarray(np.zeros((16, 16), np.uint16))).read_bytes()
    entry = struct.pack("<HHIH", 258, 3, 1, 16)  # bits per sample
    assert entry in sixteen
    twelve = sixteen.replace(entry, struct.pack("<HHIH", 258, 3, 1, 12))
    assert "I;12" in refused(written(tmp_path, "b.tiff", twelve))


def test_damaged_bytes_end_in_a_picture_or_a_sentence(tmp_path):
    random = np.random.default_rng(7)
    noise = Image.fromarray(random.integers(0, 256, (20, 20, 3), np.uint8))
    files = [saved(tmp_path, kind, noise, format=kind).read_bytes() for kind in FORMATS]
    files += [
        saved(
            tmp_path, kind, noise, format=kind, save_all=True, append_images=[PICTURE.resize((20, 20))]
        ).read_bytes()
        for kind in ("GIF", "WEBP", "PNG", "TIFF")
    ]
    refusals = 0
    for n in range(1100):
        content = np.frombuffer(files[n % len(files)], np.uint8).copy()
        at = random.integers(0, random.choice([40, 200, len(content)]), random.integers(1, 8))
        content[at % len(content)] = random.integers(0, 256, len(at))
        try:
            assert read_picture(written(tmp_path, "damaged", content.tobytes())).image.mode == "RGB"
        except InputError as error:
            refusals += 1
            assert "Error" not in str(error)
    assert 100 < refusals < 1000


# --- drawings ---


def drawing(kind, composite, tmp_path):
    if composite is not None and kind == "path":
        composite = str(saved(tmp_path, "composite.png", composite))
    return {"background": None, "layers": [], "composite": composite}


def stroke():
    sheet = Image.new("RGBA", (40, 30), (0, 0, 0, 0))
    sheet.paste((0, 0, 0, 255), (10, 10, 20, 14))
    return sheet


@pytest.mark.parametrize("kind", ["path", "image"])
def test_a_drawing_is_read_as_on_white_paper(tmp_path, kind):
    sheet = stroke()
    picture = picture_from_drawing(drawing(kind, sheet, tmp_path))
    expected = np.full((30, 40, 3), 255)
    expected[10:14, 10:20] = 0
    np.testing.assert_array_equal(np.asarray(picture.image), expected)
    assert (picture.image.mode, picture.notices) == ("RGB", ())
    assert sheet.mode == "RGBA" and sheet.getpixel((0, 0)) == (0, 0, 0, 0)
    large = picture_from_drawing(drawing(kind, sheet.resize((4000, 3000)), tmp_path))
    assert large.notices == ("4000 × 3000 pixels came; they are reduced to 2048 × 1536.",)


@pytest.mark.parametrize("kind", ["path", "image"])
@pytest.mark.parametrize(
    "composite, words",
    [
        (Image.new("RGBA", (40, 30), (0, 0, 0, 0)), "the sheet is all white"),
        (Image.new("RGB", (40, 30), "white"), "the sheet is all white"),
        (None, "the sheet is empty"),
        (Image.new("RGB", (7, 9)), "at least 8 × 8 pixels is expected"),
    ],
)
def test_an_empty_sheet_is_refused(tmp_path, kind, composite, words):
    with pytest.raises(InputError, match=SENTENCE) as error:
        picture_from_drawing(drawing(kind, composite, tmp_path))
    assert words in str(error.value)


@pytest.mark.parametrize("value", [None, {}, {"background": None, "layers": [], "composite": None}])
def test_no_drawing_is_refused(value):
    with pytest.raises(InputError, match="A drawing is expected; the sheet is empty."):
        picture_from_drawing(value)


# --- the widget, in a running app ---


def seen(path):
    """What a handler gets: the file's hash, its name, and what is read from it or why not."""
    if path is None:
        return None
    path = Path(path)
    try:
        picture = read_picture(path)
    except InputError as error:
        return [hashlib.sha256(path.read_bytes()).hexdigest(), path.name, str(error)]
    return [hashlib.sha256(path.read_bytes()).hexdigest(), path.name, picture.image.size, picture.notices]


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    sample = saved(tmp_path_factory.mktemp("sample"), "sample.png", PICTURE)
    with gr.Blocks(analytics_enabled=False) as app:
        picture, answer, button = picture_input("Your picture"), gr.JSON(), gr.Button()
        button.click(seen, picture, answer, api_name="seen")
        button.click(lambda: gr.update(visible=True), None, picture, api_name="updated")
        gr.Examples([[str(sample)]], [picture], api_name="example")
    app.launch(prevent_thread_lock=True, quiet=True, server_name="127.0.0.1")
    yield app, sample
    app.close()


@pytest.fixture
def client(running):
    return Client(running[0].local_url, verbose=False, download_files=False)


def test_the_handler_gets_the_file_as_it_was_uploaded(client, tmp_path):
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    turned = saved(tmp_path, "turned.jpg", PICTURE, exif=exif)
    inks = saved(tmp_path, "inks.jpg", PICTURE.convert("CMYK"))
    huge = written(tmp_path, "huge.png", png(20_000, 20_000, 8, 2))
    for path, *expected in (
        (turned, [16, 24], []),
        (inks, [24, 16], ["CMYK colours came; they are turned into RGB without a colour profile."]),
        (huge, "A picture of at most 40,000,000 pixels is expected; huge.png has more than 89,478,485."),
    ):
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        assert client.predict(handle_file(path), api_name="/seen") == [digest, path.name, *expected]
    assert client.predict(None, api_name="/seen") is None


def test_it_stays_so_after_an_update_of_the_widget(client, tmp_path):
    """Gradio makes a component anew after an update, from its class."""
    client.predict(api_name="/updated")
    path = saved(tmp_path, "inks.jpg", PICTURE.convert("CMYK"))
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert client.predict(handle_file(path), api_name="/seen")[0] == digest


def test_examples_and_the_description_for_programs(running, client):
    app, sample = running
    shown = client.predict(0, api_name="/example")
    shown = shown.get("value", shown)
    digest = hashlib.sha256(sample.read_bytes()).hexdigest()
    assert hashlib.sha256(Path(shown["path"]).read_bytes()).hexdigest() == digest
    assert client.predict(shown, api_name="/seen")[:2] == [digest, "sample.png"]
    parameter, *_ = client.view_api(return_format="dict")["named_endpoints"]["/seen"]["parameters"]
    assert (parameter["component"], parameter["python_type"]["type"]) == ("Image", "filepath")
    described = next(
        c for c in app.get_config_file()["components"] if c["props"].get("label") == "Your picture"
    )
    assert described["type"] == "image"  # the browser draws it as a gr.Image
    assert described["props"]["sources"] == ["upload", "webcam", "clipboard"]
    assert list((ROOT / "demos" / "kit").glob("*.pyi")) == []


@pytest.mark.parametrize("meta", [{}, {"meta": {}}, {"meta": {"_type": "gradio.FileData"}}])
def test_a_file_that_was_not_uploaded_is_not_read(running, tmp_path, meta):
    url = running[0].local_url + "gradio_api/call/seen"
    request = {"data": [{"path": str(saved(tmp_path, "private.png", PICTURE)), **meta}]}
    event = httpx.post(url, json=request).json()["event_id"]
    answer = httpx.get(f"{url}/{event}", timeout=20).text
    assert answer.startswith("event: error") and "expected" not in answer
