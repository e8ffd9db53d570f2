"""What the page's view asks about its pictures: small questions, answered without a run."""

import base64

from PIL import Image

from demos.clip import controls
from demos.clip.handlers import OFFER, kept
from demos.kit.asked import answering_script, field
from demos.kit.collection import picture_of
from demos.kit.gallery import cover, emoji
from demos.kit.images import picture_from_drawing
from demos.kit.inputs import InputError, check_whole
from demos.kit.later import Later
from demos.kit.raw import base64_of, rgba

FOUND, NEAR = 12, 8  # pictures for a text, words for a picture

# These need torch, which the app's start does not wait for.
work = Later("demos.clip.work")
words = Later("demos.clip.words")
algorithm = Later("demos.clip.algorithm")
grounding = Later("demos.clip.grounding")


@answering_script
def draw(request: dict) -> dict:
    """A drawing, for the collection. request: side, and rgba, base64 of side x side x 4 bytes.

    Returns as `bring`, or {"error": one sentence}.
    """
    side = check_whole("The side of a drawing", field(request, "side"), 8, 512, "pixels")
    drawn = rgba(field(request, "rgba"), side, side, "A drawing")
    return kept(picture_from_drawing({"composite": Image.fromarray(drawn, "RGBA")}))


@answering_script
def zero_shot(request: dict) -> dict:
    """A picture among labels. request: model, picture, labels (a text, one a line), template.

    Returns {"labels", "cosine", "logits", "softmax", "sigmoid" or None, "t", "bias", "notices"} in the order
    of the labels, or {"error": one sentence}.
    """
    model, picture = _model(request), field(request, "picture")
    labels, templates = controls.labels_of(field(request, "labels")), controls.template_of(
        field(request, "template")
    )  # fmt: skip
    image = work.picture_features(model, picture, picture_of(picture))
    text = work.text_features(model, labels, templates)
    t, bias = work.head(model)
    trace = algorithm.zero_shot_of(image[None], text, t, bias)
    longest = tuple(max(templates, key=len).format(label) for label in labels)
    counts, context = work.tokens_of(model, longest)
    return {
        "labels": list(labels),
        "cosine": (image @ text.T).tolist(),
        "logits": trace.logits[0].tolist(),
        "softmax": trace.softmax[0].tolist(),
        "sigmoid": None if trace.sigmoid is None else trace.sigmoid[0].tolist(),
        "t": t,
        "bias": bias,
        "notices": words.cut_notices(longest, counts, context),
    }


@answering_script
def ground(request: dict) -> dict:
    """The gallery's nearest pictures to a mixture. request: model, words, plus, minus (texts, may be empty),
    picture (a name, or None). Returns {"found": [{"picture", "caption", "score"}], "held_out", "notices"}.
    """
    model = _model(request)
    said = {name: str(request.get(name) or "").strip() for name in ("words", "plus", "minus")}
    parts, signs, texts = [], [], []
    if request.get("picture") is not None:
        name = field(request, "picture")
        parts.append(work.picture_features(model, name, picture_of(name)))
        signs.append(1.0)
    for name, sign in (("words", 1.0), ("plus", 1.0), ("minus", -1.0)):
        if said[name]:
            text = controls.text_of("A text", said[name])
            texts.append(text)
            parts.append(work.text_features(model, (text,), ("{}",))[0])
            signs.append(sign)
    if not parts:
        raise InputError("Words, or the chosen picture, are expected; nothing came.")
    query = grounding.mix(parts, signs)
    # The chosen picture itself would always be the nearest.
    kind, _, number = str(request.get("picture") or "").partition(" ")
    itself = [int(number)] if kind == "emoji" else []
    best = grounding.nearest(query, work.gallery_features(model), FOUND, without=itself)
    rows = emoji()
    counts, context = work.tokens_of(model, texts)
    return {
        "found": [
            {
                "picture": f"emoji {i}",
                "caption": rows[i].label,
                "score": score,
                "held_out": rows[i].held_out,
            }
            for i, score in zip(best.index.tolist(), best.score.tolist(), strict=True)
        ],
        "of": len(rows),
        "notices": words.cut_notices(tuple(texts), counts, context),
    }


@answering_script
def words_of(request: dict) -> dict:
    """The nearest names of the gallery to a picture. request: model, picture.

    Returns {"near": [{"label", "score"}]}, or {"error": one sentence}.
    """
    model, name = _model(request), field(request, "picture")
    labels = tuple(row.label for row in emoji())
    image = work.picture_features(model, name, picture_of(name))
    best = grounding.nearest(image, work.text_features(model, labels, ("{}",)), NEAR)
    return {
        "near": [
            {"label": labels[i], "score": score}
            for i, score in zip(best.index.tolist(), best.score.tolist(), strict=True)
        ],
        "of": len(labels),
    }


@answering_script
def where(request: dict) -> dict:
    """Where words are in a picture. request: model, picture, words.

    Returns {"rows", "columns", "score", "surgery", "gradient", "plain" (base64 of float32, one for each
    patch), "on" (for a drawing: how the maps are on its thing), "pixels" (base64 of H x W x 3 bytes),
    "height", "width"}, or {"error": one sentence}.
    """
    model, name = _model(request), field(request, "picture")
    text = controls.text_of("A text", field(request, "words"))
    others = tuple(row.label for row in emoji())
    found, shown = work.look(model, picture_of(name), text, others)
    pixels = (shown.permute(1, 2, 0) * 255).round().byte().numpy()
    rows, columns = found.grid
    maps = {part: getattr(found, part).numpy() for part in ("surgery", "gradient", "plain")}
    kind, _, number = name.partition(" ")
    on = words.contrast_on(maps, cover(int(number), rows, columns).flatten()) if kind == "emoji" else ""
    return {part: base64_of(values) for part, values in maps.items()} | {
        "on": on,
        "notices": words.cut_notices((text,), *work.tokens_of(model, (text,))),
        "rows": rows, "columns": columns, "score": found.score, "words": text,
        "height": pixels.shape[0], "width": pixels.shape[1],
        "pixels": base64.b64encode(pixels.tobytes()).decode(),
    }  # fmt: skip


def _model(request: dict) -> str:
    """The model that a request names, if it is here."""
    name = field(request, "model")
    OFFER.require(name)
    return name
