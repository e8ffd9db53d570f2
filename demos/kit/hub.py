"""Models from a hub: fetched once, checked against their digests, and from then on used offline.

huggingface_hub knows the addresses, the token and the layout of the cache. Two things it does not do
(2.4): it throws away what it has of a file when the connection ends, and it compares sizes but not
contents. So the bytes come through its `http_get` into a file that the next try goes on with, and what
stands in the cache afterwards is hashed.
"""

import errno
import fnmatch
import functools
import hashlib
import json
import re
import shutil
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import httpx2
from huggingface_hub import HfApi, constants, hf_hub_download, hf_hub_url
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.file_download import http_get, repo_folder_name
from huggingface_hub.utils import WeakFileLock, build_hf_headers, filter_repo_objects

from demos.kit.inputs import InputError
from demos.kit.zoo import ModelSpec

TOKENIZER = (
    *("tokenizer.json", "tokenizer_config.json", "tokenizer.model", "vocab.*", "merges.txt"),
    *("special_tokens_map.json", "added_tokens.json"),
)


@dataclass(frozen=True)
class Layout:
    """The files of a library's models, as patterns: config and weights must be there, others may be.

    Nothing in them runs code when it is read: no pickles, no Python files.
    """

    config: str
    weights: str
    others: tuple[str, ...]


LAYOUTS = {
    "transformers": Layout(
        "config.json",
        "model*.safetensors",
        (
            *("model*.safetensors.index.json", "generation_config.json", "*processor_config.json"),
            *("chat_template.j*", *TOKENIZER),
        ),
    ),
    # A repository of these often has the same model for transformers beside it, which is not fetched.
    "open_clip": Layout("open_clip_config.json", "open_clip_model.safetensors", TOKENIZER),
}
PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl")


class LoadError(InputError):
    """A model cannot be had. Its text is one sentence, shown on the page as it stands."""


@dataclass(frozen=True)
class _File:
    """digest: the hub's, sha256 (64 digits) of a large file, git's blob sha1 (40) of a small one."""

    name: str
    size: int  # bytes
    digest: str


class _Tally:
    """The bytes that are here, told to the page; `http_get` takes it for its tqdm bar."""

    def __init__(self, progress: Callable[[int, int], None]):
        self.done, self.total, self._progress = 0, 0, progress

    def reach(self, done: int) -> None:
        self.done = done
        self._progress(self.done, self.total)

    def update(self, n: int) -> None:
        self.reach(self.done + n)

    def bar(self, initial: int = 0, **_) -> nullcontext:
        self.update(initial)
        return nullcontext(self)


def on_disk(spec: ModelSpec) -> bool:
    """Whether all of its files are here and had the right contents when they came."""
    marker = _marker(spec)
    if not marker.is_file():
        return False
    files = [(_snapshot(spec) / name, size) for name, size in json.loads(marker.read_text()).items()]
    return all(path.is_file() and path.stat().st_size == size for path, size in files)


def fetch(spec: ModelSpec, progress: Callable[[int, int], None] = lambda done, total: None) -> Path:
    """The folder of a hub model, fetched now if it is not on disk.

    progress: called with the bytes that are here and the bytes in all. Raises LoadError; what has come
    by then is kept for the next try, except a file with wrong contents and what filled the disk.
    """
    if on_disk(spec):
        return _snapshot(spec)
    if constants.is_offline_mode():
        raise LoadError(f"{spec.title} was expected on disk, as HF_HUB_OFFLINE is set; it is not there.")
    tally = _Tally(progress)
    try:
        _folder(spec).mkdir(parents=True, exist_ok=True)
        with WeakFileLock(_folder(spec) / "glassbox.lock"):
            if not on_disk(spec):  # another visitor may have fetched it meanwhile
                _fetch(spec, tally)
    except HfHubHTTPError as error:
        raise LoadError(_refusal(spec, error)) from error
    except (httpx2.RequestError, OSError) as error:
        raise LoadError(_interruption(spec, error, tally)) from error
    return _snapshot(spec)


def megabytes(n: int) -> str:
    return f"{n / 1e6:,.1f} MB"


def _fetch(spec: ModelSpec, tally: _Tally) -> None:
    files = _listed(spec)
    blobs = _folder(spec) / "blobs"
    blobs.mkdir(exist_ok=True)
    tally.total = sum(file.size for file in files)
    here = sum(p.stat().st_size for f in files for p in (blobs / f.digest, _part(blobs, f)) if p.exists())
    free = shutil.disk_usage(blobs).free
    if tally.total - here > free:
        raise LoadError(
            f"{spec.title} needs {megabytes(tally.total - here)} of disk; {megabytes(free)} are free."
        )
    finished = 0
    for file in files:
        if not (blobs / file.digest).exists():
            _download(spec, file, blobs, tally)
        finished += file.size
        tally.reach(finished)
    for file in files:
        _check(spec, file, Path(hf_hub_download(spec.repo, file.name, revision=spec.revision)))
    draft = _marker(spec).with_suffix(".new")
    draft.write_text(json.dumps({file.name: file.size for file in files}))
    draft.replace(_marker(spec))


def _listed(spec: ModelSpec) -> list[_File]:
    """The files to fetch, with the sizes and digests that the hub has at this revision."""
    try:
        listed = (
            HfApi()
            .model_info(
                spec.repo, revision=spec.revision, files_metadata=True, timeout=constants.HF_HUB_ETAG_TIMEOUT
            )
            .siblings
        )
    except json.JSONDecodeError as error:
        raise LoadError(
            f"The hub was expected to list the files of {spec.title}; a page came that is not the hub's, "
            "as of a network that wants a sign-in."
        ) from error
    layout = LAYOUTS[spec.framework]
    names = {s.rfilename for s in listed}
    absent = {layout.config, *(name for name, _ in spec.sha256)} - names
    if absent or not fnmatch.filter(names, layout.weights):
        pickles = [name for name in sorted(names) if name.endswith(PICKLES)]
        raise LoadError(
            f"{spec.repo} was expected to have {', '.join(sorted(absent)) or 'weights as safetensors'}; "
            f"it has {', '.join(pickles) or 'other files'}, which the app does not open."
        )
    wanted = [layout.config, layout.weights, *layout.others]
    safe = filter_repo_objects(listed, allow_patterns=wanted, key=lambda s: s.rfilename)
    files = [_File(s.rfilename, s.size or 0, (s.lfs.sha256 if s.lfs else s.blob_id) or "") for s in safe]
    for file in files:
        if not re.fullmatch(r"[0-9a-f]{40}|[0-9a-f]{64}", file.digest):  # it also names a file of ours
            raise LoadError(
                f"The hub was expected to give the digest of {file.name}; it gave {file.digest!r}."
            )
    return files


def _download(spec: ModelSpec, file: _File, blobs: Path, tally: _Tally) -> None:
    part = _part(blobs, file)
    if part.exists() and part.stat().st_size > file.size:
        part.unlink()
    with part.open("ab") as out:
        http_get(
            hf_hub_url(spec.repo, file.name, revision=spec.revision),
            out,
            resume_size=out.tell(),
            headers={**build_hf_headers(), "Accept-Encoding": "identity"},  # or the ranges would not fit
            expected_size=file.size,
            tqdm_class=tally.bar,
        )
    part.replace(blobs / file.digest)


def _check(spec: ModelSpec, file: _File, path: Path) -> None:
    """Hashes the file; where a digest differs it is deleted, and LoadError names it."""
    for expected in {file.digest, dict(spec.sha256).get(file.name, file.digest)}:
        start = functools.partial(hashlib.sha1, b"blob %d\0" % path.stat().st_size)  # as git hashes
        with path.open("rb") as content:
            came = hashlib.file_digest(content, "sha256" if len(expected) == 64 else start).hexdigest()
        if came != expected:
            for wrong in (path.resolve(), path, _folder(spec) / "blobs" / file.digest):
                wrong.unlink(missing_ok=True)  # the file, the link to it, or its copy
            raise LoadError(
                f"{file.name} of {spec.title} was expected to have the digest {expected[:12]}…; "
                f"{came[:12]}… came, and the file was deleted."
            )


def _folder(spec: ModelSpec) -> Path:
    return Path(constants.HF_HUB_CACHE) / repo_folder_name(repo_id=spec.repo, repo_type="model")


def _snapshot(spec: ModelSpec) -> Path:
    return _folder(spec) / "snapshots" / str(spec.revision)


def _marker(spec: ModelSpec) -> Path:
    return _folder(spec) / f"glassbox-{spec.revision}.json"


def _part(blobs: Path, file: _File) -> Path:
    return blobs / f"{file.digest}.incomplete"  # the ending by which the client's tools know such a file


def _refusal(spec: ModelSpec, error: HfHubHTTPError) -> str:
    match error:
        case GatedRepoError():
            return f"{spec.repo} was expected to be open; it is gated, and this server has no access to it."
        case RepositoryNotFoundError():
            return f"The hub was expected to have {spec.repo}; it knows no such model, or it is private."
        case RevisionNotFoundError():
            return f"{spec.repo} was expected at revision {spec.revision}; the hub no longer has it."
    return f"The hub was expected to send {spec.title}; it answered with status {error.response.status_code}."


def _interruption(spec: ModelSpec, error: Exception, tally: _Tally) -> str:
    number = getattr(error, "errno", None)
    if number in (errno.ENOSPC, errno.EDQUOT):
        for part in (_folder(spec) / "blobs").glob("*.incomplete"):
            part.unlink()  # a full disk shall not stay full because of us
        needed, done = megabytes(tally.total), megabytes(tally.done)
        return f"{spec.title} needs {needed} of disk; the disk was full after {done}."
    if number is not None:
        return f"The cache folder was expected to take {spec.title}; it answered: {error.strerror}."
    if tally.done:
        return (
            f"{megabytes(tally.total)} of {spec.title} were expected; the connection ended after "
            f"{megabytes(tally.done)}, and the next try goes on from there."
        )
    return f"The hub was expected to send {spec.title}; it cannot be reached ({type(error).__name__})."
