"""What the page asks for, checked. Nothing here loads torch: the app starts with it."""

import json
import random
from dataclasses import dataclass
from pathlib import Path

from demos.kit.gallery import emoji, number_of
from demos.kit.inputs import InputError, check_choice
from demos.kit.zoo import MODELS, ModelSpec

# name -> its model; the pocket one is first.
CHOICES: dict[str, tuple[ModelSpec, ...]] = {
    MODELS[slug].title: (MODELS[slug],)
    for slug in ("emoji-clip", "clip-vit-b32-openai", "clip-vit-b32-laion2b", "siglip-vit-b16")
}
# The seven of the last are those that training drew from, as the pocket model's card has them.
CARD = Path(__file__).parents[2] / "assets" / "pocket" / "emoji-clip" / "card.json"
SEVEN = tuple(json.loads(CARD.read_text(encoding="utf-8"))["templates"])
TEMPLATES = {
    "bare: the label alone": ("{}",),
    f"one: {SEVEN[0].format('…')}": SEVEN[:1],
    "ensemble of seven": SEVEN,
}
LEAST_PAIRS, MOST_PAIRS = 3, 16
MOST_LABELS = 200
MOST_LETTERS = 1000
START = ("frog", "fox", "lion", "dog face")
LABELS = ("frog", "dog", "cat", "horse", "bird")
MORE = (
    "cat face", "wolf", "tiger", "bear", "panda", "rabbit", "horse", "deer", "monkey", "rat", "swan", "fish",
)  # fmt: skip


@dataclass(frozen=True)
class Pair:
    """One picture by its name ("emoji 17", "photo lion", "own <key>") and its caption."""

    picture: str
    caption: str


def start_pairs(labels: tuple[str, ...] = START) -> list[dict]:
    """Pairs as the page holds them."""
    return [{"picture": f"emoji {number_of(label)}", "caption": label} for label in labels]


def pairs_of(given: object) -> tuple[Pair, ...]:
    """The page's pairs, checked. Raises InputError where they are too few, too many, or captions repeat."""
    fits = isinstance(given, list) and all(
        isinstance(pair, dict)
        and isinstance(pair.get("picture"), str)
        and isinstance(pair.get("caption"), str)
        for pair in given
    )
    if not fits:
        raise InputError(f"Pairs of a picture and a caption are expected; got {given!r:.80}.")
    if not LEAST_PAIRS <= len(given) <= MOST_PAIRS:
        raise InputError(f"{LEAST_PAIRS} to {MOST_PAIRS} pairs are expected; got {len(given)}.")
    pairs = tuple(
        Pair(pair["picture"], text_of(f"Caption {n}", pair["caption"])) for n, pair in enumerate(given, 1)
    )
    seen: dict[str, int] = {}
    for n, pair in enumerate(pairs, 1):
        first = seen.setdefault(pair.caption.lower(), n)
        if first != n:
            raise InputError(
                f"Captions must differ, or a picture's own caption would count as wrong; {first} and {n} "
                f"are both “{pair.caption}”."
            )
    return pairs


def drawn_pairs(n: int, seed: int) -> tuple[Pair, ...]:
    """n emoji of the gallery by chance, with their names."""
    rows = random.Random(seed).sample(emoji(), n)
    return tuple(Pair(f"emoji {row.number}", row.label) for row in rows)


def text_of(what: str, given: object) -> str:
    """A text that is not empty nor very long. Raises InputError."""
    if not isinstance(given, str) or not given.strip():
        raise InputError(f"{what} of at least one character is expected; got an empty one.")
    if len(given) > MOST_LETTERS:
        raise InputError(f"{what} of at most {MOST_LETTERS:,} characters is expected; got {len(given):,}.")
    return " ".join(given.split())


def labels_of(given: object) -> tuple[str, ...]:
    """Labels, a line each, empty lines left out. Raises InputError for none, too many, and repeated ones."""
    if not isinstance(given, str):
        raise InputError(f"Labels, one a line, are expected; got {given!r:.80}.")
    labels = [text_of("A label", line) for line in given.splitlines() if line.strip()]
    if not 1 <= len(labels) <= MOST_LABELS:
        raise InputError(f"1 to {MOST_LABELS} labels are expected, one a line; got {len(labels):,}.")
    twice = [label for n, label in enumerate(labels) if label.lower() in map(str.lower, labels[:n])]
    if twice:
        raise InputError(f"Labels must differ, as each takes its share; “{twice[0]}” came twice.")
    return tuple(labels)


def template_of(given: object) -> tuple[str, ...]:
    """The templates under a choice of the page. Raises InputError."""
    return TEMPLATES[check_choice("The template", given, tuple(TEMPLATES))]
