"""The pocket pair: what its files say of themselves, and speculation with it beside transformers."""

import hashlib
import json
import math
import statistics
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from demos.kit import passes
from demos.kit.decoding import Cached, decode
from demos.kit.hub import LoadError
from demos.kit.inputs import InputError
from demos.kit.models import POCKET, load, same_tokenizer
from demos.kit.sampling import Sampling
from demos.kit.stops import Check, StoppedError
from demos.kit.zoo import MODELS
from demos.speculative_decoding import controls, work
from demos.speculative_decoding.algorithm import SpeculationTrace, speculate

ROOT = Path(__file__).parents[1]
GREEDY = Sampling(0.0)
# Fifty beginnings, of one word to a sentence and more, in and out of the models' field.
BEGINNINGS = [
    f"{head}{tail}"
    for head in (
        "Once upon a time",
        "The old king",
        "In a dark wood",
        "“Who are you?” said the wolf",
        "There was once a poor miller who had three sons, and when he died he left them",
        "Parliament",
        "12 + 7 =",
        "Ω",
        "She",
        "And then the door opened.\n",
    )
    for tail in ("", " there", ", and", " who", " was")
]


@pytest.fixture(scope="module")
def pair():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    target, draft = (load(MODELS[f"fairy-{name}"], "cpu", torch.float32) for name in ("target", "draft"))
    with target, draft:
        yield target, draft
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def greedy(pair):
    """By transformers' generate: the beginning's ids and the next 16 tokens."""
    target, _ = pair
    out = []
    for text in BEGINNINGS:
        ids = target.reader(text, return_tensors="pt")["input_ids"]
        whole = target.model.generate(
            ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=16, pad_token_id=0
        )
        out.append((ids, whole[0, ids.shape[1] :].tolist()))
    return out


def test_there_are_fifty_beginnings():
    assert len(set(BEGINNINGS)) == 50


def test_plain_decoding_equals_generate(pair, greedy):
    for ids, expected in greedy:
        steps = decode(pair[0].model, ids, max_new_tokens=16, sampling=GREEDY, seed=0)
        assert [s.token for s in steps] == expected


@pytest.mark.parametrize("k", range(1, 9))
def test_greedy_speculation_equals_generate(pair, greedy, k):
    target, draft = pair
    for ids, expected in greedy:
        options = {"max_new_tokens": 16, "draft_length": k, "sampling": GREEDY, "seed": 0}
        text = SpeculationTrace.of(speculate(target.model, draft.model, ids, **options))
        assert list(text.tokens) == expected


def test_cached_logits_equal_uncached_over_a_whole_run(pair):
    """Every law of a sampled run, from cropped caches, beside one pass over the finished text."""
    target, draft = pair
    ids = target.reader(BEGINNINGS[0], return_tensors="pt")["input_ids"]
    reader, rows, text = Cached(target.model, 4096), [], ids[0].tolist()
    for block in speculate(
        target.model, draft.model, ids, max_new_tokens=60, draft_length=4, sampling=Sampling(0.8), seed=0
    ):
        drafted = [d.token for d in block.drafted]
        logits, _ = reader.read(text + drafted, last=len(drafted) + 1)
        rows.append((len(text), logits[: block.accepted + 1]))
        reader.keep(len(text) + block.accepted)
        text += block.new
    with torch.inference_mode():
        whole = target.model(input_ids=torch.tensor([text])).logits[0]
    for at, logits in rows:
        torch.testing.assert_close(logits, whole[at - 1 : at - 1 + len(logits)], atol=1e-4, rtol=0)


def test_an_end_token_ends_the_text(pair):
    """The model has learned where books end; made certain here, so that the text must stop there."""
    target, draft = pair
    end = target.model.generation_config.eos_token_id
    ids = target.reader("The end", return_tensors="pt")["input_ids"]
    free = [s.token for s in decode(target.model, ids, max_new_tokens=30, sampling=GREEDY, seed=0)]
    target.model.generation_config.eos_token_id = free[9]
    try:
        for k in (1, 4, 8):
            options = {"max_new_tokens": 30, "draft_length": k, "sampling": GREEDY, "seed": 0}
            text = SpeculationTrace.of(speculate(target.model, draft.model, ids, **options))
            assert list(text.tokens) == free[: free.index(free[9]) + 1]
    finally:
        target.model.generation_config.eos_token_id = end


COURT = controls.court_settings_of("The fox", controls.POCKET_PAIR, 1, 0, 1, 1, 1000)


def settings(**changes) -> controls.Settings:
    return controls.settings_of(**controls.start(**changes))


def test_work_gives_the_race_as_it_grows(monkeypatch):
    monkeypatch.setattr(passes, "PAUSE", 0.0)
    *growing, (race, words) = work.write(settings(), Check())
    assert [len(some.speculative.blocks) for some, _ in growing] == list(range(1, len(growing) + 1))
    assert all(len(some.plain) == len(some.speculative.tokens) for some, _ in growing)
    assert race.done and not any(some.done for some, _ in growing)
    assert len(race.speculative.tokens) == len(race.plain) == 48
    reader = AutoTokenizer.from_pretrained(POCKET / "fairy-target")
    assert "".join(words[t] for t in race.speculative.tokens) == reader.decode(race.speculative.tokens)
    assert "".join(words[t] for t in race.prompt) == controls.PROMPT
    monkeypatch.setattr(passes, "PAUSE", 1000.0)
    assert len(list(work.write(settings(), Check()))) == 2  # the first and the last


def test_two_runs_at_once_do_not_mix():
    prompts = ["The fox", "The queen", "The mill", "A giant"]
    alone = {p: list(work.write(settings(prompt=p), Check()))[-1][0].speculative.tokens for p in prompts}
    running = {p: work.write(settings(prompt=p), Check()) for p in prompts}
    last = {}
    while running:  # a block of each in turn
        for p in list(running):
            try:
                last[p] = next(running[p])[0]
            except StopIteration:
                del running[p]
    assert {p: race.speculative.tokens for p, race in last.items()} == alone


def test_a_stop_frees_the_models_within_one_pass():
    check, passes = Check(), []

    def count() -> None:
        passes.append(1)
        if len(passes) == 7:
            check.set()
        check()

    with pytest.raises(StoppedError):
        list(work.write(settings(), count))
    assert len(passes) == 7
    with pytest.raises(StoppedError):
        list(
            work.hold_court(
                controls.court_settings_of("The fox", controls.POCKET_PAIR, 1, 0, 1, 1, 1000), count
            )
        )


def test_memory_that_runs_out_in_a_pass_is_a_sentence_and_the_models_are_given_back():
    def full() -> None:
        raise torch.OutOfMemoryError("no more")

    for runs in (work.write(settings(), full), work.hold_court(COURT, full)):
        with pytest.raises(LoadError, match="Fairy tales, target was expected to suffice; it ran out"):
            list(runs)


def test_a_run_leaves_the_number_of_threads_as_it_was():
    before, seen = torch.get_num_threads(), []
    torch.set_num_threads(2)
    list(work.write(settings(tokens=8), lambda: seen.append(torch.get_num_threads())))
    assert set(seen) == {1} and torch.get_num_threads() == 2
    torch.set_num_threads(before)


def test_prompts_that_do_not_fit_are_refused_with_the_numbers():
    with pytest.raises(InputError, match=r"The prompt must have 1 to 1024 tokens; got \d{4}."):
        list(work.write(settings(prompt="wolf " * 1200), Check()))
    court = controls.court_settings_of(" wolf" * 1023, controls.POCKET_PAIR, 1, 0, 1, 1, 1000)
    with pytest.raises(InputError, match="at most 1022 tokens; got 1023"):
        list(work.hold_court(court, Check()))


def test_a_token_that_is_no_text_is_shown_as_its_bytes():
    reader = AutoTokenizer.from_pretrained(POCKET / "fairy-target")
    parts = reader("Ω")["input_ids"]
    assert len(parts) > 1
    shown = [work.word(reader, token) for token in parts]
    assert all(text.startswith("⟨") and "�" not in text for text in shown)
    assert work.word(reader, reader(" king")["input_ids"][0]) == " king"


@pytest.mark.parametrize("slug", ["fairy-target", "fairy-draft"])
def test_the_card_says_what_the_files_are(slug):
    folder = POCKET / slug
    card = json.loads((folder / "card.json").read_text())
    model = AutoModelForCausalLM.from_pretrained(folder)
    assert card["parameters"] == model.num_parameters() == MODELS[slug].parameters
    assert model.config.model_type == "llama"
    assert card["context"] == model.config.max_position_embeddings == 1024
    assert model.config.vocab_size == 4096
    for file in folder.glob("*.safetensors"):
        assert file.stat().st_size < 10_000_000
    assert {"command", "seed", "machine", "minutes", "data", "licence"} <= set(card)
    for split, book in (("validation", "The-Railway-Children"), ("test", "The-Magic-of-Oz")):
        assert card[split]["book"] == book
        assert 2 < card[split]["loss_per_token"] < math.log(4096)
        # Bits per byte from loss per token: a token has 2 to 6 bytes of these texts.
        bytes_per_token = card[split]["loss_per_token"] / math.log(2) / card[split]["bits_per_byte"]
        assert 2 < bytes_per_token < 6
    tokenizers = [
        hashlib.sha256((POCKET / s / "tokenizer.json").read_bytes()).hexdigest()
        for s in MODELS
        if s.startswith("fairy")
    ]
    assert len(set(tokenizers)) == 1


def test_the_pair_shares_its_tokenizer(pair):
    target, draft = pair
    assert same_tokenizer(target.reader, draft.reader) is None


def test_the_cards_samples_are_the_models_own(pair):
    """Five samples at temperature 0.7, drawn again: transformers' sampling from the shipped weights.

    The weights are rounded to 16 bits on disk, so a sample may leave the card's after a while.
    """
    card = json.loads((POCKET / "fairy-target" / "card.json").read_text())
    target, _ = pair
    samples = card["samples_at_temperature_0.7"]
    assert len(samples) == 5
    same = []
    for sample in samples:
        ids = target.reader(sample["text"], return_tensors="pt")["input_ids"]
        with torch.inference_mode():
            logits = target.model(input_ids=ids).logits[0, :-1]
        same.append(torch.nn.functional.cross_entropy(logits / 0.7, ids[0, 1:]).item())
    # Text drawn from a law has about its entropy as loss, far below that of a text of another author.
    assert statistics.mean(same) < 3
    assert all(len(sample["text"]) > 200 for sample in samples)


def test_the_models_know_their_language(pair):
    """A tale's sentence is likelier than its words in another order; for the draft too."""
    tale = "Once upon a time there was a king who had three sons, and the youngest was called Simpleton."
    mixed = "a was king Simpleton youngest there who Once sons, the called had upon and was time a three."
    for loaded in pair:
        losses = []
        for text in (tale, mixed):
            ids = loaded.reader(text, return_tensors="pt")["input_ids"]
            with torch.inference_mode():
                losses.append(float(loaded.model(input_ids=ids, labels=ids).loss))
        assert losses[0] < losses[1] - 1


def test_the_pair_weighs_little():
    """Resident memory that loading and using the pair adds to a process that has torch and transformers."""
    code = """
import psutil, gc
from demos.kit.models import load
from demos.speculative_decoding import work, controls
from demos.kit.stops import Check
import transformers.models.llama.modeling_llama, transformers.generation
before = psutil.Process().memory_info().rss
settings = controls.settings_of(**controls.start())
for _ in range(3):
    *_, last = work.write(settings, Check())
print((psutil.Process().memory_info().rss - before) / 1e6)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert float(done.stdout.split()[-1]) < 150
