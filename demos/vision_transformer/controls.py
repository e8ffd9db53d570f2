"""The page's controls: what the widgets hold, checked. Nothing here loads torch: the app starts with it."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from demos.kit.collection import PHOTOGRAPHS
from demos.kit.collection import picture_of as collected
from demos.kit.gallery import number_of
from demos.kit.images import Picture, read_picture
from demos.kit.inputs import check_choice, check_whole
from demos.kit.zoo import MODELS, ModelSpec

OWN = "My own picture"
# what the visitor reads -> the picture's name in the collection
SAMPLES = {
    **{
        f"{said[0].upper()}{said[1:]}, photograph": f"photo {name}"
        for name, (said, *_) in PHOTOGRAPHS.items()
    },
    **{
        f"{'An' if label[0] in 'aeiou' else 'A'} {label}": f"emoji {number_of(label)}"
        for label in ("frog", "dog face", "deer", "swan", "ferry", "automobile", "airplane")
    },
}
SOURCES = (*SAMPLES, OWN)

# name -> its model; the pocket one is first.
CHOICES: dict[str, tuple[ModelSpec, ...]] = {
    MODELS[slug].title: (MODELS[slug],)
    for slug in ("cifar-vit", "vit-tiny", "vit-base", "dinov2-registers-small")
}

# name -> label, lowest, highest, step, value at the start
RANGES = {
    "crop": ("Crop: middle part that is kept (%)", 20, 100, 1, 100),
    "right": ("Shift to the right (pixels)", -16, 16, 1, 0),
    "down": ("Shift down (pixels)", -16, 16, 1, 0),
    "seed": ("Which shuffle", 1, 99, 1, 1),
}
# Each thing to try: the stage it is about, and the settings that differ from the start; the picture and the
# model stay as the visitor has them. In the order of the lesson's list.
TRIES = (
    (4, {"positions": False, "shuffle": True}),
    (4, {"right": 1}),
    (3, {"source": "A frog"}),
)


@dataclass(frozen=True)
class Settings:
    """What one run is asked for; equal settings are one run.

    picture: its name, or the digest of an uploaded file. crop: the middle part that is kept, in percent of
    the shorter side. right, down: in pixels of the model's input. shuffle: 0, or which shuffle.
    """

    picture: str
    model: str
    positions: bool = True
    shuffle: int = 0
    crop: int = 100
    right: int = 0
    down: int = 0


def settings_of(picture, model, positions, shuffle, seed, crop, right, down) -> Settings:
    """The widgets' values, checked. Raises InputError with what was expected and what came."""
    return Settings(
        picture,
        check_choice("The model", model, tuple(CHOICES)),
        bool(positions),
        whole("seed", seed) if shuffle else 0,
        whole("crop", crop),
        whole("right", right),
        whole("down", down),
    )


def start(**changes: object) -> dict[str, object]:
    """The page's settings by name, in its order, as they are at the start, but for the changes."""
    values = {"source": SOURCES[0], "own": None, "model": next(iter(CHOICES))}
    values |= {"positions": True, "shuffle": False}
    values |= {name: RANGES[name][4] for name in ("seed", "crop", "right", "down")}
    return values | changes


def picture_of(source: object, own: str | None) -> tuple[str, Picture]:
    """The picture that was chosen, and what tells it from others. Raises InputError as read_picture."""
    source = check_choice("The picture", source, SOURCES)
    if source == OWN:
        picture = read_picture(own)
        return f"own {hashlib.sha256(Path(own).read_bytes()).hexdigest()}", picture
    return source, Picture(collected(SAMPLES[source]))


def whole(name: str, value: object) -> int:
    """The value within the control's range, if it is a whole number. Raises InputError."""
    label, low, high, _, _ = RANGES[name]
    return check_whole(label.split(" (")[0].split(":")[0], value, low, high)
