"""The shipped texts as a model's tokens, and single tokens as text."""

import pytest
import torch
from transformers import GPT2Config, GPT2LMHeadModel

from demos.kit.language import sequences, word
from demos.kit.models import Shelf, load
from demos.kit.zoo import MODELS
from tests.hub_server import tiny_tokenizer


def lend(context: int):
    """A model with another tokenizer, from a shelf of its own."""
    model = GPT2LMHeadModel(GPT2Config(vocab_size=300, n_positions=context, n_embd=8, n_layer=1, n_head=1))
    shelf = Shelf(lambda device: 10**9, lambda *_: (model, tiny_tokenizer()))
    return shelf.load(MODELS["distilgpt2"], "cpu", torch.float32)


def test_the_pocket_models_read_the_shipped_ids():
    with load(MODELS["fairy-target"]) as loaded:
        calibration, held_out = (sequences(loaded, part, 200) for part in ("calibration", "held_out"))
        assert calibration.shape == (128, 256) and held_out.shape == (32, 256)
        assert sequences(loaded, "held_out", 3).equal(held_out[:3])
        text = loaded.reader.decode(held_out.flatten())
        assert "Magic" in text or "Oz" in text
        own = loaded.reader.decode(calibration.flatten())
        assert not {*text.split("\n")} & {line for line in own.split("\n") if len(line) > 60}
        with torch.inference_mode():  # the card's loss is over whole windows of 1024 tokens
            loss = float(loaded.model(input_ids=held_out, labels=held_out).loss)
        assert loss == pytest.approx(3.62, abs=0.15)


@pytest.mark.parametrize("context, length", [(1024, 256), (64, 64)])
def test_another_tokenizer_reads_the_same_passages(context, length):
    with load(MODELS["fairy-target"]) as loaded:
        text = "\n".join(loaded.reader.batch_decode(sequences(loaded, "held_out", 2)))
    with lend(context) as lent:
        ids = sequences(lent, "held_out", 2)
        assert ids.shape[1] == length
        said = lent.reader.decode(ids.flatten())
        assert said and lent.reader.decode(lent.reader(text)["input_ids"]).startswith(said)


def test_a_part_of_a_character_is_shown_as_its_bytes():
    with load(MODELS["fairy-target"]) as loaded:
        parts = loaded.reader("🦊")["input_ids"]
        assert len(parts) > 1 and all(word(loaded.reader, part).startswith("⟨") for part in parts)
        assert word(loaded.reader, loaded.reader(" king")["input_ids"][0]) == " king"
