"""Which device and which type, and what the decorator for ZeroGPU does and refuses."""

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from demos.kit.device import device, dtype_for, on_gpu

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize(
    ("cuda", "mps", "name"), [(True, False, "cuda"), (False, True, "mps"), (False, False, "cpu")]
)
def test_the_best_device_is_taken(monkeypatch, cuda, mps, name):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)
    assert device() == name


@pytest.mark.parametrize(("major", "dtype"), [(7, torch.float16), (8, torch.bfloat16)])
def test_bfloat16_only_where_the_card_has_it(monkeypatch, major, dtype):
    """torch's own is_bf16_supported, for a T4 (7.5) and an A10 (8.6)."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 0)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _: SimpleNamespace(major=major))
    monkeypatch.setattr(torch.cuda, "_check_bf16_tensor_supported", lambda _: True)  # it can be imitated
    assert dtype_for("cuda") is dtype and dtype_for("cuda:1") is dtype


def test_types_elsewhere():
    assert dtype_for("mps") is torch.float16
    assert dtype_for("cpu") is torch.float32


@pytest.fixture
def lent(monkeypatch):
    """A stand-in for the package `spaces`; what its GPU decorator was asked for."""
    asked = []

    def gpu(duration):
        asked.append(duration)
        return lambda function: lambda *given: ("lent", function(*given))

    monkeypatch.setitem(sys.modules, "spaces", SimpleNamespace(GPU=gpu))
    return asked


def double(x):
    return 2 * x


@pytest.mark.parametrize("value", ["1", "true", "True"])
def test_on_zerogpu_the_gpu_is_asked_for(monkeypatch, lent, value):
    monkeypatch.setenv("SPACES_ZERO_GPU", value)
    assert on_gpu(20)(double)(3) == ("lent", 6)
    assert lent == [20]


@pytest.mark.parametrize("value", [None, "", "0", "false"])
def test_elsewhere_the_function_stays_as_it_is(monkeypatch, value):
    monkeypatch.setitem(sys.modules, "spaces", None)  # importing it would fail
    if value is None:
        monkeypatch.delenv("SPACES_ZERO_GPU", raising=False)
    else:
        monkeypatch.setenv("SPACES_ZERO_GPU", value)
    assert on_gpu(20)(double) is double


@pytest.mark.parametrize("value", ["", "true"])
def test_async_functions_are_refused_everywhere(monkeypatch, lent, value):
    monkeypatch.setenv("SPACES_ZERO_GPU", value)

    async def coroutine(): ...

    async def stream():
        yield

    for function in (coroutine, stream):
        with pytest.raises(TypeError, match=f"plain function or generator; {function.__name__} is async"):
            on_gpu(20)(function)
    assert not lent


def test_a_generator_may_use_the_gpu(monkeypatch, lent):
    monkeypatch.setenv("SPACES_ZERO_GPU", "true")

    def steps(n):
        yield from range(n)

    said, results = on_gpu(5)(steps)(3)
    assert said == "lent" and list(results) == [0, 1, 2]


def test_the_module_does_not_load_torch():
    code = "import sys, demos.kit.device; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert not set(done.stdout.split()) & {"torch", "spaces"}
