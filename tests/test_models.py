"""The shelf of models: one copy, lent and given back, bounded; and what makes two tokenizers the same."""

import gc
import json
import re
import subprocess
import sys
import threading
import time
import weakref
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import open_clip
import psutil
import pytest
import torch
from PIL import Image
from tokenizers import Tokenizer
from torch.testing import assert_close
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from demos.kit import models
from demos.kit.hub import LoadError
from demos.kit.models import Shelf, load, same_tokenizer
from demos.kit.zoo import MODELS, ModelSpec
from tests.hub_server import TEXT, tiny_tokenizer, write_tiny_model
from tests.tiny_clip import CONTEXT, MEAN, STD, write_tiny_clip

ROOT = Path(__file__).parents[1]


def spec(name: str, parameters: int = 250_000) -> ModelSpec:
    """A model of 1 MB in float32, unless told otherwise."""
    return ModelSpec(
        slug=name, title=name, source="pocket", repo=name, revision=None,
        parameters=parameters, disk_bytes=0, licence="none",
    )  # fmt: skip


def fake(spec, device, dtype):
    """A model of as many parameters as its row says."""
    model = torch.nn.Module()
    model.weight = torch.nn.Parameter(torch.zeros(spec.parameters, dtype=dtype), requires_grad=False)
    return model, f"reader of {spec.slug}"


class Reading:
    """Reads fakes and remembers which."""

    def __init__(self, read=fake):
        self.read, self.slugs = read, []

    def __call__(self, spec, device, dtype):
        self.slugs.append(spec.slug)
        return self.read(spec, device, dtype)


def shelf(megabytes=2.0, read=fake) -> Shelf:
    return Shelf(lambda device: int(megabytes * 1e6), read)


def borrow(shelf: Shelf, name: str, **options) -> models.Loaded:
    return shelf.load(spec(name, **options), "cpu", torch.float32)


def use(shelf: Shelf, *names: str) -> None:
    for name in names:
        with borrow(shelf, name):
            pass


def test_twenty_who_ask_at_once_get_one_copy():
    def slow(*key):
        time.sleep(0.05)
        return fake(*key)

    reading, got, all_have_one = Reading(slow), [], threading.Barrier(20, timeout=10)
    full = shelf(1.0, reading)  # room for one copy only

    def ask():
        with borrow(full, "a") as loaded:
            got.append(loaded.model)
            all_have_one.wait()

    threads = [threading.Thread(target=ask) for _ in range(20)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert reading.slugs == ["a"]
    assert len(got) == 20 and len({id(model) for model in got}) == 1
    assert full.nbytes == 1_000_000
    use(full, "b")  # all twenty have given it back
    assert reading.slugs == ["a", "b"] and full.nbytes == 1_000_000


def test_other_models_are_read_beside_each_other():
    both = threading.Barrier(2, timeout=5)

    def meeting(*key):
        both.wait()  # passes only if the other is read at the same time
        return fake(*key)

    wide = shelf(2.0, meeting)
    threads = [threading.Thread(target=use, args=(wide, name)) for name in "ab"]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert wide.nbytes == 2_000_000


def test_a_loan_says_what_it_is_and_ends_with_the_block():
    reading = Reading()
    kept = shelf(2.0, reading)
    with borrow(kept, "a") as loaded:
        assert loaded.reader == "reader of a" and loaded.nbytes == 1_000_000
        assert (loaded.spec.slug, loaded.device, loaded.dtype) == ("a", "cpu", torch.float32)
    assert not hasattr(loaded, "model")
    use(kept, "a")
    assert reading.slugs == ["a"]


def test_types_and_devices_are_copies_of_their_own():
    reading = Reading()
    kept = shelf(1.5, reading)
    for device, dtype in (("cpu", torch.float32), ("cpu", torch.bfloat16), ("meta", torch.float32)):
        with kept.load(spec("a"), device, dtype) as loaded:
            assert loaded.model.weight.dtype is dtype
    assert reading.slugs == ["a"] * 3 and kept.nbytes == 2_500_000  # each device has its own budget


def test_the_one_unused_for_longest_goes_first():
    reading = Reading()
    small = shelf(2.0, reading)
    use(small, "a", "b", "a", "c")  # c takes the room of b
    assert small.nbytes == 2_000_000
    use(small, "a", "c")
    assert reading.slugs == ["a", "b", "c"]
    use(small, "b")  # takes the room of a
    use(small, "c")
    assert reading.slugs == ["a", "b", "c", "b"]


def test_last_used_means_last_given_back():
    reading = Reading()
    small = shelf(2.0, reading)
    a = borrow(small, "a")
    use(small, "b")
    a.__exit__()
    use(small, "c", "a")
    assert reading.slugs == ["a", "b", "c"]


def test_no_more_goes_than_is_needed():
    reading = Reading()
    use(shelf_ := shelf(3.0, reading), "a", "b", "c")
    with borrow(shelf_, "d", parameters=125_000):
        assert shelf_.nbytes == 2_500_000
    use(shelf_, "b", "c")
    assert reading.slugs == ["a", "b", "c", "d"]


def test_what_is_put_away_is_freed():
    small = shelf(1.0)
    with borrow(small, "a") as loaded:
        gone = weakref.ref(loaded.model)
    use(small, "b")
    gc.collect()
    assert gone() is None


def test_a_model_in_use_is_never_put_away():
    reading = Reading()
    small = shelf(2.0, reading)
    with borrow(small, "a") as a, borrow(small, "b"):
        with pytest.raises(LoadError) as caught:
            borrow(small, "c")
        assert str(caught.value) == (
            "c needs 1.0 MB of memory; 0.0 MB of the 2.0 MB for models are not in use."
        )
        assert a.model.weight.numel() == 250_000
        use(small, "a")  # lent twice, given back once: still in use
        with pytest.raises(LoadError):
            borrow(small, "c")
    use(small, "c")
    assert reading.slugs == ["a", "b", "c"]


def test_a_model_too_large_for_the_budget_leaves_the_others():
    reading = Reading()
    small = shelf(2.0, reading)
    use(small, "a")
    with pytest.raises(LoadError, match="big needs 2.4 MB of memory; 2.0 MB of the 2.0 MB"):
        borrow(small, "big", parameters=600_000)
    use(small, "a")
    assert reading.slugs == ["a"] and small.nbytes == 1_000_000


def test_memory_that_runs_out_is_given_back(monkeypatch):
    half_moved, emptied = [], []

    def fails(*key):
        model, _ = fake(*key)
        model.itself = [model]  # a cycle, as hooks make them
        half_moved.append(weakref.ref(model))
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB.")

    monkeypatch.setattr(torch.accelerator, "is_available", lambda: True)
    monkeypatch.setattr(
        torch.accelerator, "empty_cache", lambda: emptied.append([model() for model in half_moved])
    )
    full = shelf(2.0, fails)
    with pytest.raises(LoadError) as caught:
        borrow(full, "a")
    assert str(caught.value) == ("a needs about 1.0 MB on cpu; the memory there ran out while it was loaded.")
    assert emptied == [[None]] and full.nbytes == 0
    full._read = fake
    use(full, "a")  # the next try is free


def test_who_waited_for_a_try_that_failed_is_told_the_same():
    waiting, said = threading.Event(), []

    def fails(*_):
        waiting.wait(5)
        raise LoadError("It cannot be had.")

    def ask():
        try:
            borrow(kept, "a")
        except LoadError as error:
            said.append(str(error))

    reading = Reading(fails)
    kept = shelf(2.0, reading)
    threads = [threading.Thread(target=ask) for _ in range(5)]
    [thread.start() for thread in threads]
    while sum(place.users for place in kept._places.values()) < 5:
        time.sleep(0.001)
    waiting.set()
    [thread.join() for thread in threads]
    assert reading.slugs == ["a"] and said == ["It cannot be had."] * 5
    kept._read = fake
    use(kept, "a")


def test_a_bug_stays_a_bug_and_takes_no_room():
    kept = shelf(1.0, lambda *_: 1 // 0)
    with pytest.raises(ZeroDivisionError):
        borrow(kept, "a")
    assert kept.nbytes == 0 and not kept._places


def test_the_budget(monkeypatch):
    monkeypatch.delenv("GLASSBOX_MODEL_BYTES", raising=False)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=1000))
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (600, 800))
    assert [models.budget(device) for device in ("cpu", "mps", "cuda", "cuda:1")] == [500, 500, 300, 300]
    monkeypatch.setenv("GLASSBOX_MODEL_BYTES", "123")
    assert models.budget("cpu") == models.budget("cuda") == 123


def test_the_budget_is_asked_once_per_device():
    asked = []
    kept = Shelf(lambda device: asked.append(device) or 10**7, fake)
    for device in ("cpu", "meta", "cpu"):
        with kept.load(spec(device), device, torch.float32):
            pass
    use(kept, "x")
    assert asked == ["cpu", "meta"]


@pytest.fixture
def pocket(tmp_path, monkeypatch):
    """A tiny model where the pocket models are."""
    monkeypatch.setattr(models, "POCKET", tmp_path)
    monkeypatch.setattr(models, "SHELF", Shelf(lambda device: 10**9, models.read))
    return write_tiny_model(tmp_path / "tiny")


def test_a_pocket_model_is_loaded_as_it_was_saved(pocket, monkeypatch):
    with load(spec("tiny"), "cpu") as loaded:
        ids = torch.tensor([loaded.reader("the old king")["input_ids"]])
        with torch.no_grad():
            assert torch.equal(loaded.model(ids).logits, pocket.eval()(ids).logits)
        assert not loaded.model.training
        assert not any(p.requires_grad for p in loaded.model.parameters())
        assert loaded.dtype is torch.float32
        parameters = sum(p.nbytes for p in pocket.parameters())
        assert loaded.nbytes == parameters + sum(b.nbytes for b in pocket.buffers())
    with load(spec("tiny"), "cpu", torch.bfloat16) as loaded:
        assert next(loaded.model.parameters()).dtype is torch.bfloat16


def test_a_pocket_model_that_is_not_there(pocket):
    with pytest.raises(LoadError, match="none was expected in .*/none; it is not there."):
        load(spec("none"), "cpu")


def test_pickled_weights_are_not_opened(pocket):
    folder = models.POCKET / "tiny"
    (folder / "model.safetensors").unlink()
    torch.save(pocket.state_dict(), folder / "pytorch_model.bin")
    with pytest.raises(LoadError, match="expected to have model.*safetensors; it has .*pytorch_model.bin"):
        load(spec("tiny"), "cpu")


def test_code_that_comes_with_a_model_is_not_run(pocket):
    folder = models.POCKET / "tiny"
    config = json.loads((folder / "config.json").read_text())
    config |= {"model_type": "own", "auto_map": {"AutoConfig": "own.Own", "AutoModelForCausalLM": "own.Own"}}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "own.py").write_text("raise SystemExit('it ran')")
    with pytest.raises(ValueError, match="trust_remote_code|model type"):
        load(spec("tiny"), "cpu")


def test_eager_attention_gives_its_weights():
    with load(MODELS["cifar-vit"], "cpu") as loaded:
        pixels = loaded.reader(Image.new("RGB", (40, 30), "red"), return_tensors="pt")["pixel_values"]
        layers = loaded.model(pixels, output_attentions=True).attentions
    assert len(layers) == 6
    for weights in layers:
        assert weights.shape == (1, 3, 65, 65)  # 8 x 8 patches and the class token
        assert_close(weights.sum(-1), torch.ones(1, 3, 65))


def clip_spec(kind: str) -> ModelSpec:
    return replace(spec(kind), framework="open_clip")


@pytest.fixture
def pocket_clip(tmp_path, monkeypatch):
    """Writes a tiny CLIP of this kind where the pocket models are, and returns it."""
    monkeypatch.setattr(models, "POCKET", tmp_path)
    monkeypatch.setattr(models, "SHELF", Shelf(lambda device: 10**9, models.read))
    return lambda kind: write_tiny_clip(tmp_path / kind, kind).requires_grad_(False)


@pytest.mark.parametrize("kind", ["emoji", "openai", "siglip"])
def test_a_model_of_open_clip_is_loaded_as_it_was_saved(pocket_clip, kind):
    written = pocket_clip(kind)
    picture = Image.fromarray(np.random.default_rng(0).integers(256, size=(40, 48, 3), dtype=np.uint8))
    seen = np.asarray(picture.resize((32, 32), Image.Resampling.BICUBIC)) / 255
    pixels = torch.tensor((seen - MEAN) / STD, dtype=torch.float32).permute(2, 0, 1)
    with load(clip_spec(kind), "cpu") as loaded:
        model, reader = loaded.model, loaded.reader
        assert type(model) is (open_clip.CustomTextCLIP if kind == "siglip" else open_clip.CLIP)
        assert_close(reader.preprocess(picture), pixels)
        assert (reader.context, reader.size) == (CONTEXT, (32, 32))
        assert (reader.mean, reader.std) == (tuple(MEAN), tuple(STD))
        ids = reader.tokenizer(["the old king", "golden apples"])
        assert ids.shape == (2, CONTEXT) and ids.dtype is torch.int64
        assert_close(model.encode_image(pixels[None]), written.encode_image(pixels[None]))
        assert_close(model.encode_text(ids), written.encode_text(ids))
        assert_close(model.logit_bias, written.logit_bias)
        assert not model.training and not any(p.requires_grad for p in model.parameters())


@pytest.mark.parametrize("kind", ["emoji", "siglip"])
def test_a_clip_in_16_bits_keeps_its_scale(pocket_clip, kind):
    written = pocket_clip(kind)
    with load(clip_spec(kind), "cpu", torch.bfloat16) as loaded:
        types = {name: p.dtype for name, p in loaded.model.named_parameters()}
        exact = {name for name, dtype in types.items() if dtype is torch.float32}
        assert exact == {"logit_scale"} | ({"logit_bias"} if kind == "siglip" else set())
        assert set(types.values()) == {torch.float32, torch.bfloat16}
        assert loaded.model.logit_scale.exp().item() == pytest.approx(100)
        pixels = loaded.reader.preprocess(Image.new("RGB", (32, 32), "red"))[None]
        assert pixels.dtype is torch.float32
        features = loaded.model.encode_image(pixels.bfloat16(), normalize=True)
        assert features.dtype is torch.bfloat16
        assert_close(features.float(), written.encode_image(pixels, normalize=True), atol=0.02, rtol=0)


@pytest.mark.parametrize(("kind", "pad"), [("emoji", 0), ("siglip", 1)])
def test_the_tokenizer_of_a_clip_is_its_own(pocket_clip, kind, pad):
    pocket_clip(kind)
    tokenizer = Tokenizer.from_file(str(models.POCKET / kind / "tokenizer.json"))
    short, long = "The OLD king", "the old king had a garden and in it a tree of golden apples"
    with load(clip_spec(kind), "cpu") as loaded:
        ids = loaded.reader.tokenizer([short, long]).tolist()
    expected = tokenizer.encode(short.lower()).ids
    assert ids[0] == expected + [pad] * (CONTEXT - len(expected))
    expected = tokenizer.encode(long).ids
    assert len(expected) > CONTEXT
    assert ids[1] == [*expected[: CONTEXT - 1], 1]  # cut before the end's token
    assert ids != open_clip.SimpleTokenizer(context_length=CONTEXT)([short, long]).tolist()


def test_a_clip_without_a_tokenizer_has_that_of_openai(pocket_clip):
    pocket_clip("openai")
    with load(clip_spec("openai"), "cpu") as loaded:
        ids = loaded.reader.tokenizer(["a diagram"])  # the example of OpenAI's own readme
        assert ids.tolist() == [[49406, 320, 22697, 49407] + [0] * (CONTEXT - 4)]


@pytest.mark.parametrize(
    ("kind", "file", "words"),
    [
        ("emoji", "open_clip_config.json", "open_clip_config.json; it has open_clip_config.old, "),
        ("emoji", "open_clip_model.safetensors", "open_clip_model.safetensors; it has model.safetensors, "),
        ("emoji", "tokenizer.json", "tokenizer.json, as its config names emoji; it has none."),
        (
            "siglip",
            "tokenizer.json",
            "tokenizer.json, as its config names timm/ViT-B-16-SigLIP; it has none.",
        ),
    ],
)
def test_a_clip_that_is_not_whole_is_refused(pocket_clip, kind, file, words):
    """open_clip would take other weights, pickled ones, or random ones; transformers another vocabulary."""
    written = pocket_clip(kind)
    folder = models.POCKET / kind
    (folder / file).rename(folder / file.replace("open_clip_model", "model").replace("json", "old"))
    torch.save(written.state_dict(), folder / "open_clip_pytorch_model.bin")
    with pytest.raises(LoadError) as caught:
        load(clip_spec(kind), "cpu")
    said = str(caught.value)
    assert said.startswith(f"{kind} was expected to have {words}") and said.count(". ") == 0, said


def test_a_pocket_clip_that_is_not_there(pocket_clip):
    with pytest.raises(LoadError, match="none was expected in .*/none; it is not there."):
        load(clip_spec("none"), "cpu")


def test_other_models_do_not_wait_for_open_clip():
    code = (
        "import sys\nfrom demos.kit.models import load\nfrom demos.kit.zoo import MODELS\n"
        "with load(MODELS['fairy-draft'], 'cpu'): print('open_clip' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_the_pocket_pair_fits_together():
    with load(MODELS["fairy-draft"], "cpu") as draft, load(MODELS["fairy-target"], "cpu") as target:
        assert same_tokenizer(draft.reader, target.reader) is None
        for loaded in (draft, target):
            assert loaded.nbytes >= loaded.spec.memory_bytes == 4 * loaded.model.num_parameters()


def test_tokenizers_of_padded_models_are_the_same(tmp_path):
    for name, rows in (("a", 300), ("b", 320)):
        write_tiny_model(tmp_path / name, rows)
    a, b = (AutoTokenizer.from_pretrained(tmp_path / name) for name in "ab")
    assert same_tokenizer(a, b) is None


def changed(change) -> PreTrainedTokenizerFast:
    """The tiny tokenizer after a change to its JSON."""
    tokenizer = tiny_tokenizer()
    written = json.loads(tokenizer.backend_tokenizer.to_str())
    change(written)
    backend = tokenizer.backend_tokenizer.from_str(json.dumps(written))
    return PreTrainedTokenizerFast(tokenizer_object=backend, eos_token="<end>")


def swap_two_tokens(written):
    vocab = written["model"]["vocab"]
    vocab["a"], vocab["b"] = vocab["b"], vocab["a"]


def swap_two_merges(written):
    merges = written["model"]["merges"]
    merges[0], merges[1] = merges[1], merges[0]


CHANGES = {
    "tokens": (swap_two_tokens, r"differ at token \d+: 'a' in the first, 'b' in the second"),
    "merges": (swap_two_merges, r"differ at merge 0: \[.*\] in the first, \[.*\] in the second"),
    "fewer merges": (
        lambda w: w["model"]["merges"].pop(),
        r"differ at merge \d+: \['tre', 'e'\] in the first, None in",
    ),
    "normalizer": (lambda w: w.update(normalizer={"type": "NFC"}), r"differ at the normalizer: None in"),
    "pre-tokenizer": (
        lambda w: w["pre_tokenizer"].update(add_prefix_space=True),
        r"differ at the pre-tokenizer: .*False.* in the first, .*True.* in the second",
    ),
    "settings": (
        lambda w: w["model"].update(ignore_merges=True),
        r"differ at the model's ignore_merges: False",
    ),
}


@pytest.mark.parametrize("name", CHANGES)
def test_the_first_difference_of_tokenizers_is_named(name):
    change, words = CHANGES[name]
    said = same_tokenizer(tiny_tokenizer(), changed(change))
    assert re.search(words, said), said


def test_an_added_token_is_a_difference():
    more = tiny_tokenizer()
    more.add_tokens(["<image>"])
    assert same_tokenizer(tiny_tokenizer(), tiny_tokenizer()) is None
    assert same_tokenizer(tiny_tokenizer(), more) == (
        f"The tokenizers differ at token {len(more) - 1}: None in the first, '<image>' in the second."
    )


def test_a_vocabulary_of_other_texts_is_another_one():
    other = tiny_tokenizer(["a quick brown fox jumps over lazy dogs again and again"], 280)
    assert "differ at token" in same_tokenizer(tiny_tokenizer(TEXT, 280), other)


def test_rows_may_differ_in_more_than_their_name():
    """A row that was corrected is another model, so that the old copy is not lent for it."""
    reading = Reading()
    kept = shelf(2.0, reading)
    with (
        kept.load(spec("a"), "cpu", torch.float32),
        kept.load(replace(spec("a"), revision="0" * 40), "cpu", torch.float32),
    ):
        assert reading.slugs == ["a", "a"]
