"""What the page's events do: one run, and further questions to the same model."""

import time
from pathlib import Path

import gradio as gr

from demos.clip import controls
from demos.kit.asked import field
from demos.kit.collection import PHOTOGRAPHS, keep, picture_of, thumb
from demos.kit.gallery import EMOJI
from demos.kit.images import Picture, read_picture
from demos.kit.inputs import check_whole
from demos.kit.later import Later
from demos.kit.lesson import read_lesson
from demos.kit.linked import served, stored
from demos.kit.offer import Offer
from demos.kit.predict import verdict
from demos.kit.stops import StoppedError, Stops

SLUG = "clip"
LESSON = read_lesson(Path(__file__).with_name("lesson.md"))
OFFER = Offer("The model", controls.CHOICES, "The pocket model goes on.")
STOPS = Stops()
PAUSE = 0.03  # seconds between two states of a training, so that eyes can follow

# These need torch, which the app's start does not wait for.
hub = Later("demos.kit.hub")
work = Later("demos.clip.work")
figures = Later("demos.clip.figures")
words = Later("demos.clip.words")


def run(asked, model, answer):
    """Pictures and captions in contrast.

    asked: {"pairs": [{"picture", "caption"}, ...]}; None stands for the pairs of the start. Gives a remark
    about the model, the view, the caption, the formula and the verdict. Where the model cannot be had the
    remark says why, and the pocket model runs.
    """
    given = controls.start_pairs() if asked is None else field(asked, "pairs")
    pairs = controls.pairs_of(given)
    OFFER.models(model)
    pictures = [picture_of(pair.picture) for pair in pairs]
    captions = tuple(pair.caption for pair in pairs)
    remark = ""

    def make(name):
        return work.RUNS.run((name, pairs), lambda: work.compare(name, pictures, captions))

    try:
        OFFER.require(model)
        key, done = make(model)
    except hub.LoadError as error:
        remark, model = f"{error} {OFFER.goes_on}", OFFER.pocket
        key, done = make(model)
    held = [
        {"picture": pair.picture, "caption": pair.caption, "thumb": thumb(pair.picture)} for pair in pairs
    ]
    value = served(figures.run_view(done.trace, key, model, held))
    value |= {
        "sheet": stored((EMOJI / "gallery.png").read_bytes(), "gallery.png"),
        "gallery": stored((EMOJI / "gallery.json").read_bytes(), "gallery.json"),
        "more": list(controls.MORE),
        "labels": list(controls.LABELS),
        "pocket": model == OFFER.pocket,
        "photographs": [
            {"picture": f"photo {name}", "caption": said, "thumb": thumb(f"photo {name}")}
            for name, (said, *_) in PHOTOGRAPHS.items()
        ],
    }
    return (
        remark,
        value,
        words.caption(done.trace, captions, words.cut_notices(captions, done.tokens, done.context), model),
        words.formula(done.trace),
        verdict(LESSON, answer, *words.outcome(done.trace)),
    )


def bring(own):
    """An uploaded picture, for the collection: its name and a small copy for the page."""
    return {"kind": "brought"} | kept(read_picture(own))


def kept(picture: Picture) -> dict:
    name = keep(picture)
    return {"picture": name, "thumb": thumb(name), "notices": list(picture.notices)}


def train(asked, model, request: gr.Request):
    """The projections trained anew. asked: {"pairs", "batch": "own" or how many emoji, "seed"}.

    Yields a remark and the view, some times a second.
    """
    OFFER.models(model)
    remark = ""
    batch, seed = field(asked, "batch"), check_whole("The seed", field(asked, "seed"), 0, 9999)
    if batch == "own":
        pairs = controls.pairs_of(field(asked, "pairs"))
    else:
        pairs = controls.drawn_pairs(check_whole("The batch", batch, 3, 64), seed)
    pictures = [picture_of(pair.picture) for pair in pairs]
    captions = [pair.caption for pair in pairs]
    try:
        OFFER.require(model)
    except hub.LoadError as error:
        remark, model = f"{error} {OFFER.goes_on}", OFFER.pocket
    done, end = [], "Done"
    with STOPS.run(request.session_hash) as check:
        try:
            for step in work.steps(model, pictures, captions, seed, check):
                done.append(step)
                if step.step % 3 == 0:
                    yield remark, served(figures.train_view(done, ""))
                    time.sleep(PAUSE)
        except StoppedError:
            end = "Stopped"
    if done:
        yield remark, served(figures.train_view(done, end))


def stop(request: gr.Request) -> None:
    """Ends the visitor's training before its next step."""
    STOPS.stop(request.session_hash)
