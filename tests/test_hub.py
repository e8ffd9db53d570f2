"""The real client of huggingface_hub against a hub on this machine: the way it should go, and every fault."""

import errno
import json
import os
import re
import shutil
import subprocess
import sys
import threading
from collections import namedtuple
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import httpx2
import open_clip
import pytest
import torch
from huggingface_hub import constants, file_download
from huggingface_hub.utils import close_session

from demos.kit import hub, models
from demos.kit.hub import LoadError, fetch, on_disk
from demos.kit.models import Shelf, load
from demos.kit.zoo import MODELS, ModelSpec
from tests.hub_server import REPO, REVISION, HubServer, sha256, write_tiny_model
from tests.tiny_clip import write_tiny_clip

ROOT = Path(__file__).parents[1]
SPEC = ModelSpec(
    slug="tiny", title="Tiny", source="hub", repo=REPO, revision=REVISION,
    parameters=30_000, disk_bytes=120_000, licence="none",
)  # fmt: skip
WEIGHTS = "model.safetensors"
CLIP = replace(SPEC, framework="open_clip")
CLIP_WEIGHTS = "open_clip_model.safetensors"
CHUNK = 10_000  # bytes; the client's own are 10 MB, and a partial one is lost when a connection ends
Usage = namedtuple("Usage", "total used free")


@pytest.fixture(scope="module")
def origin(tmp_path_factory):
    """What the hub has: a model, and beside it what must not be fetched."""
    folder = tmp_path_factory.mktemp("origin")
    write_tiny_model(folder)
    (folder / "onnx").mkdir()
    names = ("pytorch_model.bin", "modeling_tiny.py", "README.md", "onnx/model.safetensors", CLIP_WEIGHTS)
    for name in names:
        (folder / name).write_bytes(b"not wanted")
    return folder


@pytest.fixture
def server(origin, tmp_path, monkeypatch):
    folder = tmp_path / "hub"
    shutil.copytree(origin, folder)
    server = HubServer(folder)
    monkeypatch.setattr(constants, "ENDPOINT", server.url)
    template = server.url + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", CHUNK)
    monkeypatch.setattr(file_download, "time", SimpleNamespace(sleep=lambda seconds: None))
    yield server
    server.close()
    close_session()


def refused(spec=SPEC, **options) -> str:
    """The sentence with which this fetch fails; it is one, and nothing is taken for good afterwards."""
    with pytest.raises(LoadError) as caught:
        fetch(spec, **options)
    said = str(caught.value)
    assert len(re.findall(r"[.!?](?:\s|$)", said)) == 1 and said.endswith(".") and "\n" not in said, said
    assert not on_disk(spec)
    return said


def cached(pattern: str) -> list[Path]:
    return list(Path(constants.HF_HUB_CACHE).rglob(pattern))


def test_a_model_comes_whole_and_only_what_is_safe(server, origin):
    assert not on_disk(SPEC)
    told = []
    folder = fetch(SPEC, lambda *bytes_: told.append(bytes_))
    assert sorted(p.name for p in folder.rglob("*")) == [
        *("config.json", "generation_config.json", WEIGHTS, "tokenizer.json", "tokenizer_config.json"),
    ]
    assert all(path.read_bytes() == (origin / path.name).read_bytes() for path in folder.iterdir())
    size = sum(path.stat().st_size for path in folder.iterdir())
    done = [d for d, _ in told]
    assert {total for _, total in told} == {size} and done == sorted(done) and done[-1] == size
    assert len(set(done)) > size / CHUNK  # it moves while a file comes, not only after it
    assert on_disk(SPEC)


def test_the_second_time_nothing_is_asked_and_nothing_hashed(server, monkeypatch):
    folder = fetch(SPEC)
    asked = len(server.asked)
    monkeypatch.setattr(hub.hashlib, "file_digest", None)
    assert fetch(SPEC) == folder and len(server.asked) == asked
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert fetch(SPEC) == folder


def test_the_settings_come_from_the_environment(server, tmp_path):
    """In processes of their own, as an operator would set it: a model is loaded, then again offline."""
    code = (
        "from demos.kit.models import load\nfrom demos.kit.zoo import ModelSpec\n"
        f"with load({SPEC!r}) as tiny: print(tiny.model.name_or_path, tiny.nbytes, tiny.reader('the old'))"
    )
    env = {**os.environ, "HF_ENDPOINT": server.url, "HF_HOME": str(tmp_path / "home")}
    env.pop("HF_HUB_CACHE", None)
    said = []
    for offline in ("0", "1"):
        env["HF_HUB_OFFLINE"] = offline
        done = subprocess.run([sys.executable, "-c", code], env=env, cwd=ROOT, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        said.append(done.stdout)
        server.close()
    assert said[0] == said[1] and said[0].startswith(str(tmp_path / "home" / "hub"))


def test_many_who_ask_at_once_cause_one_download(server):
    got = []
    threads = [threading.Thread(target=lambda: got.append(fetch(SPEC))) for _ in range(8)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert len(set(got)) == 1 and len(got) == 8
    assert server.sent(WEIGHTS) == (server.folder / WEIGHTS).stat().st_size
    assert sum(asked.path.startswith("/api/") for asked in server.asked) == 1


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("unknown repo", f"expected to have {REPO}; it knows no such model"),
        ("gated", f"{REPO} was expected to be open; it is gated"),
        ("revision gone", f"expected at revision {REVISION}; the hub no longer has it"),
        ("status 503", "it answered with status 503"),
        ("sign-in page", "a page came that is not the hub's"),
        ("no digests", "expected to give the digest of config.json; it gave ''"),
    ],
)
def test_a_refusal_is_one_sentence_and_the_next_try_is_free(server, fault, words):
    server.fault = fault
    assert words in refused()
    server.fault = ""
    assert fetch(SPEC).is_dir()


def test_the_token_goes_to_the_hub_and_not_to_where_it_sends_us(server, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    fetch(SPEC)
    assert {(a.path.startswith("/large/"), a.token) for a in server.asked} == {
        (False, "Bearer hf_secret"),
        (True, None),
    }


def test_no_network(server):
    server.close()
    assert "Tiny; it cannot be reached (ConnectError)" in refused()


def test_offline_and_not_on_disk(server, monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert "expected on disk, as HF_HUB_OFFLINE is set; it is not there" in refused()
    assert not server.asked


def test_only_pickles(server):
    (server.folder / WEIGHTS).unlink()
    said = refused()
    assert "expected to have weights as safetensors; it has pytorch_model.bin" in said
    assert server.sent("pytorch_model.bin") == 0


def test_weights_under_another_name_than_the_known_ones(server):
    spec = replace(SPEC, sha256=(("model-00001-of-00002.safetensors", "0" * 64),))
    assert "expected to have model-00001-of-00002.safetensors" in refused(spec)


def test_a_cut_connection_goes_on_where_it_was(server):
    size = (server.folder / WEIGHTS).stat().st_size
    before = [f for f in ("config.json", "generation_config.json")]  # the files come in this order
    small = sum((server.folder / name).stat().st_size for name in before)
    server.bytes_left = small + 3 * CHUNK + 500
    assert f"the connection ended after {(small + 3 * CHUNK) / 1e6:.1f} MB" in refused()
    (part,) = cached("*.incomplete")
    assert part.stat().st_size == 3 * CHUNK

    server.bytes_left, first = None, len(server.asked)
    told = []
    folder = fetch(SPEC, lambda done, total: told.append(done))
    again = [a for a in server.asked[first:] if a.path.startswith("/large/")]
    assert [(a.range, a.body_bytes) for a in again] == [(f"bytes={3 * CHUNK}-", size - 3 * CHUNK)]
    assert not any(a.body_bytes for a in server.asked[first:] if a.path.endswith("/config.json"))
    assert sha256(folder / WEIGHTS) == sha256(server.folder / WEIGHTS)
    assert told == sorted(told) and told[-1] == sum(path.stat().st_size for path in folder.iterdir())
    assert small + 3 * CHUNK in told and not cached("*.incomplete")


def test_a_reset_connection(server, monkeypatch):
    def reset(*_, **__):
        raise httpx2.ReadError("[Errno 104] Connection reset by peer")

    monkeypatch.setattr(hub, "http_get", reset)
    assert "it cannot be reached (ReadError)" in refused()


@pytest.mark.parametrize("name", [WEIGHTS, "config.json"])
def test_wrong_contents_of_the_right_size_are_deleted_and_named(server, name):
    server.changed.add(name)
    assert f"{name} of Tiny was expected to have the digest" in refused()
    assert not cached(name)
    assert sha256(server.folder / name) not in {sha256(path) for path in cached("*") if path.is_file()}
    server.changed.clear()
    assert sha256(fetch(SPEC) / name) == sha256(server.folder / name)


def test_a_digest_that_we_know_holds_whatever_the_hub_says(server):
    right = replace(SPEC, sha256=((WEIGHTS, sha256(server.folder / WEIGHTS)),))
    wrong = replace(SPEC, sha256=((WEIGHTS, "0" * 64),))
    assert f"{WEIGHTS} of Tiny was expected to have the digest 000000000000…;" in refused(wrong)
    assert not cached(WEIGHTS)
    assert fetch(right).is_dir()


def test_what_another_program_left_in_the_cache_is_checked_too(server):
    blob = Path(constants.HF_HUB_CACHE) / "models--glassbox--tiny" / "blobs" / sha256(server.folder / WEIGHTS)
    blob.parent.mkdir(parents=True)
    blob.write_bytes(b"x" * (server.folder / WEIGHTS).stat().st_size)
    assert f"{WEIGHTS} of Tiny" in refused()
    assert server.sent(WEIGHTS) == 0 and not blob.exists()
    assert fetch(SPEC).is_dir()


def test_a_file_that_was_removed_comes_again(server):
    folder = fetch(SPEC)
    (folder / WEIGHTS).resolve().unlink()
    assert not on_disk(SPEC)
    assert sha256(fetch(SPEC) / WEIGHTS) == sha256(server.folder / WEIGHTS)
    assert server.sent("tokenizer.json") == (server.folder / "tokenizer.json").stat().st_size


def test_a_small_disk_is_seen_before_the_download(server, monkeypatch):
    monkeypatch.setattr(hub.shutil, "disk_usage", lambda path: Usage(10**6, 10**6 - 50_000, 50_000))
    assert re.search(r"Tiny needs \d\.\d MB of disk; 0\.1 MB are free", refused())
    assert not any(asked.path.startswith(f"/{REPO}/resolve") for asked in server.asked)


def test_a_disk_that_fills_up_gets_its_room_back(server, monkeypatch):
    class Filling:
        """A file on a disk with room for three chunks."""

        def __init__(self, file):
            self.file = file

        def write(self, chunk):
            if self.file.tell() + len(chunk) > 3 * CHUNK:
                raise OSError(errno.ENOSPC, "No space left on device")
            return self.file.write(chunk)

    real = hub.http_get
    monkeypatch.setattr(hub, "http_get", lambda url, out, **options: real(url, Filling(out), **options))
    assert "of disk; the disk was full after" in refused()
    assert not cached("*.incomplete")
    monkeypatch.setattr(hub, "http_get", real)
    assert fetch(SPEC).is_dir()


def test_a_cache_that_cannot_be_written(server, tmp_path):
    (tmp_path / "cache").write_text("a file where the folder should be")
    assert "The cache folder was expected to take Tiny; it answered: " in refused()


def test_the_marker_says_what_was_checked(server):
    folder = fetch(SPEC)
    (marker,) = cached("glassbox-*.json")
    assert json.loads(marker.read_text()) == {p.name: p.stat().st_size for p in folder.iterdir()}


@pytest.fixture
def clip_server(server):
    """What the hub has is a CLIP, and beside it the same for transformers and with pickles."""
    shutil.rmtree(server.folder)
    write_tiny_clip(server.folder, "siglip")
    for name in ("open_clip_pytorch_model.bin", "pytorch_model.bin", WEIGHTS, "config.json", "README.md"):
        (server.folder / name).write_bytes(b"not wanted")
    return server


def test_a_clip_comes_whole_and_only_what_open_clip_reads(clip_server):
    folder = fetch(CLIP)
    assert sorted(p.name for p in folder.iterdir()) == [
        *("open_clip_config.json", CLIP_WEIGHTS, "tokenizer.json", "tokenizer_config.json"),
    ]
    assert on_disk(CLIP)


def test_a_fetched_clip_is_what_open_clip_makes_of_it(clip_server, tmp_path, monkeypatch):
    for file in ("open_clip_config.json", CLIP_WEIGHTS, "tokenizer.json", "tokenizer_config.json"):
        (tmp_path / "alone").mkdir(exist_ok=True)
        shutil.copy(clip_server.folder / file, tmp_path / "alone")
    name = f"local-dir:{tmp_path / 'alone'}"
    monkeypatch.setattr(models, "SHELF", Shelf(lambda device: 10**9, models.read))
    fetch(CLIP)
    asked = {each.path for each in clip_server.asked}
    with load(CLIP, "cpu") as loaded, torch.no_grad():
        # Nothing else, though its config names another's tokenizer.
        assert {each.path for each in clip_server.asked} == asked
        there, preprocess = open_clip.create_model_from_pretrained(name)
        there.eval()
        pixels = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
        texts = ["The old king,", "golden apples", ""]
        ids = open_clip.get_tokenizer(name)(texts)
        assert torch.equal(loaded.reader.tokenizer(texts), ids)
        assert str(loaded.reader.preprocess) == str(preprocess)
        torch.testing.assert_close(loaded.model.encode_image(pixels), there.encode_image(pixels))
        torch.testing.assert_close(loaded.model.encode_text(ids), there.encode_text(ids))


@pytest.mark.parametrize(
    ("file", "words"),
    [
        (CLIP_WEIGHTS, "have weights as safetensors; it has open_clip_pytorch_model.bin, pytorch_model.bin,"),
        ("open_clip_config.json", "expected to have open_clip_config.json; it has"),
    ],
)
def test_a_clip_without_what_open_clip_reads_is_not_fetched(clip_server, file, words):
    """Neither the pickles nor the weights for transformers stand in for it."""
    (clip_server.folder / file).unlink()
    assert words in refused(CLIP)
    assert not any(asked.path.startswith(f"/{REPO}/resolve") for asked in clip_server.asked)


def test_a_vision_transformer_comes_with_its_processor(server, monkeypatch):
    monkeypatch.setattr(models, "SHELF", Shelf(lambda device: 10**9, models.read))
    pocket = MODELS["cifar-vit"]
    shutil.rmtree(server.folder)
    shutil.copytree(models.POCKET / pocket.repo, server.folder)
    spec = replace(pocket, source="hub", repo=REPO, revision=REVISION)
    with load(spec, "cpu") as here, load(pocket, "cpu") as there:
        assert {p.name for p in fetch(spec).iterdir()} == {"config.json", WEIGHTS, "preprocessor_config.json"}
        assert here.reader.to_dict() == there.reader.to_dict()
        pixels = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))
        torch.testing.assert_close(here.model(pixels).logits, there.model(pixels).logits)
