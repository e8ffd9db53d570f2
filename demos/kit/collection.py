"""Pictures by their names, as a page's collection holds them: the app's own, and what visitors bring.

"emoji 17" is the picture of that number in the gallery, "photo lion" a photograph of an installed library,
"own <key>" what a visitor brought, kept on the server under a key that nobody can guess.
"""

import base64
import io

from PIL import Image

from demos.kit.gallery import emoji, emoji_picture, photograph
from demos.kit.images import Picture
from demos.kit.inputs import InputError
from demos.kit.runs import Runs

# name -> what is on it, the library, the file inside it
PHOTOGRAPHS = {
    "lion": ("a lion", "gradio", "media_assets/images/lion.jpg"),
    "cheetah": ("a cheetah", "gradio", "media_assets/images/cheetah1.jpg"),
    "bus": ("a bus", "gradio", "media_assets/images/bus.png"),
    "tower": ("a tower", "gradio", "media_assets/images/tower.jpg"),
    "temple": ("a temple", "sklearn", "datasets/images/china.jpg"),
    "flower": ("a flower", "sklearn", "datasets/images/flower.jpg"),
}
THUMB = 96  # pixels

OWN: Runs[Picture] = Runs(
    max_bytes=500_000_000, seconds=3600, size=lambda own: 3 * own.image.width * own.image.height
)


def keep(picture: Picture) -> str:
    """The name under which a visitor's picture can be asked for, for an hour after its last use."""
    key, _ = OWN.run((picture.image.size, picture.image.tobytes()), lambda: picture)
    return f"own {key}"


def picture_of(name: object) -> Image.Image:
    """The picture of this name, RGB. Raises InputError where there is none, or it is no longer kept."""
    kind, _, which = name.partition(" ") if isinstance(name, str) else ("", "", "")
    if kind == "emoji" and which.isdecimal() and int(which) < len(emoji()):
        return emoji_picture(int(which))
    if kind == "photo" and which in PHOTOGRAPHS:
        return Image.open(photograph(*PHOTOGRAPHS[which][1:])).convert("RGB")
    if kind == "own":
        try:
            return OWN.find(which).image
        except InputError:
            raise InputError(
                "Your own picture is no longer kept (an hour after its last use); bring it again."
            ) from None
    raise InputError(f"A picture of the app, or one of your own, is expected; got {name!r:.80}.")


def thumb(name: str) -> str | None:
    """A small copy as a data URL; None for the gallery, which the page has as one sheet."""
    if name.startswith("emoji"):
        return None
    small = picture_of(name).copy()
    small.thumbnail((THUMB, THUMB))
    out = io.BytesIO()
    small.save(out, "PNG")
    return f"data:image/png;base64,{base64.b64encode(out.getvalue()).decode()}"
