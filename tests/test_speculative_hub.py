"""A hub pair on the page: its cost first, its download in MB, and the pocket pair wherever it fails."""

import re
from dataclasses import replace

import gradio as gr
import pytest
import torch

from demos.kit import models
from demos.kit.models import Shelf
from demos.speculative_decoding import controls, handlers
from tests.test_hub import SPEC, origin, server  # noqa: F401

TINY = "Tiny → Tiny"
VISITOR = gr.Request(session_hash="visitor")


@pytest.fixture(autouse=True)
def tiny_pair(server, monkeypatch):  # noqa: F811
    monkeypatch.setitem(controls.PAIRS, TINY, (SPEC, SPEC))


def run(pair: str = TINY, seed: int = 1):
    """remark, view, caption, formula, verdict at the end."""
    settings = controls.start(pair=pair, prompt="the old", tokens=12, seed=seed)
    *_, last = handlers.run(**settings, answer=None, request=VISITOR)
    return last


def download(pair: str = TINY):
    told = []
    said, chosen = handlers.OFFER.download(pair, progress=lambda done, **words: told.append((done, words)))
    return said, chosen, told


def test_the_cost_stands_there_before_the_download():
    text, button = handlers.OFFER.describe(TINY)
    assert text.count("0 MB to download") == 2 and "0.0M parameters, none," in text
    assert button["visible"]
    remark, view, *_ = run()
    assert remark.startswith("Tiny and Tiny must be downloaded first")
    assert len(view["plain"]) == 12  # by the pocket pair
    assert remark.endswith("with the button under the models. The pocket pair goes on.")
    *_, (remark, view, said) = handlers.hold_court("the old", TINY, 0.9, 0, 1, 1, 1000, VISITOR)
    assert remark.endswith("The pocket pair goes on.") and view["done"] == 1000 and "1,000 samples" in said


def test_a_pair_comes_and_writes():
    said, chosen, told = download()
    assert (said, chosen) == ("", TINY)
    assert all(re.fullmatch(r"[\d,]+ of [\d,]+ MB", words["desc"]) for _, words in told)
    assert told[-1][0][0] == told[-1][0][1] > 0
    text, button = handlers.OFFER.describe(TINY)
    assert "on this machine" in text and not button["visible"]
    remark, view, *_ = run()
    assert remark == "" and view["done"]
    # Its tokenizer has no decoder: bytes stay as they are written in the vocabulary.
    assert "".join(view["words"][str(t)] for t in view["prompt"]) == "theĠold"


@pytest.mark.parametrize(
    "fault", ["unknown repo", "gated", "revision gone", "status 503", "sign-in page", "no digests"]
)
def test_a_fault_of_the_hub_is_a_sentence_and_the_pocket_pair_goes_on(server, fault):  # noqa: F811
    server.fault = fault
    said, chosen, _ = download()
    assert said.endswith(". The pocket pair goes on.") and said.count(". ") == 1
    assert chosen == controls.POCKET_PAIR
    assert run(chosen)[1]["done"]


def test_a_connection_cut_and_a_wrong_file(server):  # noqa: F811
    server.bytes_left = 30_000
    assert "the next try goes on from there. The pocket pair goes on." in download()[0]
    server.bytes_left, server.changed = None, {"model.safetensors"}
    assert "was deleted. The pocket pair goes on." in download()[0]
    server.changed = set()
    assert download()[:2] == ("", TINY)


def test_a_model_that_does_not_fit_gives_way_to_the_pocket_pair(monkeypatch):
    """Not enough memory, and a GPU that runs out while the model is moved to it."""
    assert download()[0] == ""
    shelf = models.SHELF

    def full(spec, device, dtype):
        if spec.slug == "tiny":
            raise torch.OutOfMemoryError("out of memory")
        return models.read(spec, device, dtype)

    monkeypatch.setattr(models, "SHELF", Shelf(shelf._budget, full))
    remark, view, *_ = run(seed=2)
    assert "the memory there ran out while it was loaded. The pocket pair goes on." in remark
    assert view["done"] and len(view["plain"]) == 12

    huge = replace(SPEC, parameters=10**12)
    monkeypatch.setitem(controls.PAIRS, TINY, (huge, huge))
    remark, view, *_ = run(seed=3)
    assert "Tiny needs 4,000,000.0 MB of memory" in remark and remark.endswith("The pocket pair goes on.")
    assert view["done"]
