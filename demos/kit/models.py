"""Models in memory: one copy for all visitors, lent out, and put away when others need the room."""

import gc
import json
import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path
from typing import Any

import psutil
import torch

from demos.kit.device import device as best_device
from demos.kit.device import dtype_for
from demos.kit.hub import LAYOUTS, LoadError, fetch, megabytes
from demos.kit.later import Later
from demos.kit.torchvision_shim import register_missing_operators
from demos.kit.zoo import ModelSpec

register_missing_operators()  # before transformers is imported

import transformers  # noqa: E402

clips = Later("demos.kit.clips")  # its import takes two seconds, which other models need not wait for

POCKET = Path(__file__).parents[2] / "assets" / "pocket"

Key = tuple[ModelSpec, str, torch.dtype]


@dataclass
class _Place:
    """Room for one model.

    users: how many hold it or wait for it. nbytes: what is set aside for it. failure: why it cannot be
    had, for those who waited while it was tried.
    """

    lock: threading.Lock = field(default_factory=threading.Lock)
    model: Any = None
    reader: Any = None
    nbytes: int = 0
    users: int = 0
    failure: str = ""


class Loaded:
    """A model that is lent: use it in a `with`, whose end gives it back.

    reader: its tokenizer or processor; the ClipReader of a model of open_clip. nbytes: parameters and
    buffers, as they lie on the device.
    """

    def __init__(self, key: Key, place: _Place, give_back: Callable[[Key], None]):
        self.spec, self.device, self.dtype = key
        self.model, self.reader, self.nbytes = place.model, place.reader, place.nbytes
        self._key, self._give_back = key, give_back

    def __enter__(self) -> "Loaded":
        return self

    def __exit__(self, *_) -> None:
        del self.model, self.reader  # what is given back may be put away, and nobody shall keep it alive
        self._give_back(self._key)


class Shelf:
    """The models of this process, each once per device and type however many ask at the same time.

    budget: bytes that the models on a device may take together, asked once for each device.
    read: makes the model and its reader. Among those that nobody uses, the one given back first goes first.
    """

    def __init__(
        self, budget: Callable[[str], int], read: Callable[[ModelSpec, str, torch.dtype], tuple[Any, Any]]
    ):
        self._budget, self._read = budget, read
        self._lock = threading.Lock()
        self._budgets: dict[str, int] = {}
        self._places: OrderedDict[Key, _Place] = OrderedDict()

    def load(self, spec: ModelSpec, device: str, dtype: torch.dtype) -> Loaded:
        """The model, read now if it is not on the shelf. Raises LoadError where there is no room for it."""
        key = (spec, device, dtype)
        with ExitStack() as undo:
            with self._lock:
                place = self._places.setdefault(key, _Place())
                place.users += 1
            undo.callback(self._give_back, key)
            with place.lock:
                if place.failure:
                    raise LoadError(place.failure)
                if place.model is None:
                    self._fill(place, key)
            undo.pop_all()
            return Loaded(key, place, self._give_back)

    @property
    def nbytes(self) -> int:
        """Bytes of all models on the shelf."""
        with self._lock:
            return sum(place.nbytes for place in self._places.values())

    def _fill(self, place: _Place, key: Key) -> None:
        try:
            self._make_room(place, key)
            model = None
            with suppress(torch.OutOfMemoryError):  # its traceback would keep the half-moved model alive
                model, place.reader = self._read(*key)
            if model is None:
                gc.collect()
                if torch.accelerator.is_available():
                    torch.accelerator.empty_cache()
                raise LoadError(
                    f"{key[0].title} needs about {megabytes(place.nbytes)} on {key[1]}; the memory there ran "
                    "out while it was loaded."
                )
        except LoadError as error:
            place.failure = str(error)
            raise
        place.nbytes = sum(t.nbytes for t in (*model.parameters(), *model.buffers()))
        place.model = model

    def _make_room(self, place: _Place, key: Key) -> None:
        spec, device, dtype = key
        need = spec.parameters * dtype.itemsize
        with self._lock:
            if device not in self._budgets:
                self._budgets[device] = self._budget(device)
            here = {k: p for k, p in self._places.items() if k[1] == device and p is not place}
            room = self._budgets[device] - sum(p.nbytes for p in here.values())
            idle = {k: p for k, p in here.items() if not p.users}
            most = room + sum(p.nbytes for p in idle.values())
            if need > most:
                raise LoadError(
                    f"{spec.title} needs {megabytes(need)} of memory; {megabytes(max(most, 0))} of the "
                    f"{megabytes(self._budgets[device])} for models are not in use."
                )
            while room < need:
                oldest = next(iter(idle))
                room += idle.pop(oldest).nbytes
                del self._places[oldest]
            place.nbytes = need

    def _give_back(self, key: Key) -> None:
        with self._lock:
            place = self._places[key]
            place.users -= 1
            self._places.move_to_end(key)
            if not place.users and place.model is None:
                del self._places[key]


def budget(device: str) -> int:
    """GLASSBOX_MODEL_BYTES, or half of what is free on the device now."""
    if stated := os.environ.get("GLASSBOX_MODEL_BYTES"):
        return int(stated)
    free = (
        torch.cuda.mem_get_info(device)[0] if device.startswith("cuda") else psutil.virtual_memory().available
    )
    return free // 2


def read(spec: ModelSpec, device: str, dtype: torch.dtype) -> tuple[Any, Any]:
    """The model, ready to be used and not to be trained, and its reader.

    Raises LoadError where the folder, the config or the weights are not there.
    """
    folder = POCKET / spec.repo if spec.source == "pocket" else fetch(spec)
    if not folder.is_dir():
        raise LoadError(f"{spec.title} was expected in {POCKET.name}/{spec.repo}; it is not there.")
    for pattern in (LAYOUTS[spec.framework].config, LAYOUTS[spec.framework].weights):
        if not any(folder.glob(pattern)):
            there = ", ".join(sorted(path.name for path in folder.iterdir()))
            raise LoadError(f"{spec.title} was expected to have {pattern}; it has {there or 'no files'}.")
    if spec.framework == "open_clip":
        model, reader = clips.read(folder, spec.title, dtype)
    else:
        # Said, and not left to the default, which asks on the terminal where a model brings code.
        options = {"local_files_only": True, "trust_remote_code": False}
        reader = getattr(transformers, spec.reader).from_pretrained(folder, **options)
        loader = getattr(transformers, spec.loader)
        model = loader.from_pretrained(
            folder, dtype=dtype, use_safetensors=True, attn_implementation=spec.attention, **options
        )
    return model.to(device).eval().requires_grad_(False), reader


SHELF = Shelf(budget, read)


def load(spec: ModelSpec, device: str | None = None, dtype: torch.dtype | None = None) -> Loaded:
    """`with load(spec) as loaded:` lends the model of this process. Raises LoadError."""
    device = device or best_device()
    return SHELF.load(spec, device, dtype or dtype_for(device))


def same_tokenizer(
    a: transformers.PreTrainedTokenizerFast, b: transformers.PreTrainedTokenizerFast
) -> str | None:
    """None where both cut and number any text alike, else one sentence on the first difference.

    A model's vocab_size is not looked at: it may be padded beyond what the tokenizer knows.
    """
    for what, x, y in _parts(a, b):
        if x != y:
            return f"The tokenizers differ at {what}: {x!r} in the first, {y!r} in the second."
    return None


def _parts(
    a: transformers.PreTrainedTokenizerFast, b: transformers.PreTrainedTokenizerFast
) -> Iterator[tuple[str, Any, Any]]:
    """What decides on the tokens of a text, part by part: its name, and what each tokenizer has there."""
    ids, others = ({i: token for token, i in t.get_vocab().items()} for t in (a, b))
    for i in sorted(ids.keys() | others.keys()):
        yield f"token {i}", ids.get(i), others.get(i)
    one, two = (json.loads(t.backend_tokenizer.to_str()) for t in (a, b))
    merges = zip_longest(*(t["model"].pop("merges", []) for t in (one, two)))
    for i, (x, y) in enumerate(merges):
        yield f"merge {i}", x, y
    for part in ("normalizer", "pre_tokenizer"):
        yield f"the {part.replace('_', '-')}", one[part], two[part]
    settings = one["model"].keys() | two["model"].keys()
    for name in sorted(settings - {"vocab"}):
        yield f"the model's {name}", one["model"].get(name), two["model"].get(name)
