"""The running app that the page and API tests talk to, and what must come before transformers."""

import os
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from demos.kit.torchvision_shim import register_missing_operators

register_missing_operators()

ROOT = Path(__file__).parents[1]


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def start_app(
    log: Path, *arguments: str, command: tuple[str, ...] = ("app.py",)
) -> tuple[subprocess.Popen, str]:
    """The app as a visitor's server would run it, in its own process: the process and its address.

    command: what Python runs.
    """
    port = free_port()
    line = [sys.executable, *command, "--host", "127.0.0.1", "--port", str(port), *arguments]
    with log.open("w") as out:
        process = subprocess.Popen(line, cwd=ROOT, stdout=out, stderr=out, env={**os.environ})
    url = f"http://127.0.0.1:{port}/"
    for _ in range(240):
        try:
            urllib.request.urlopen(url, timeout=5).read()
            return process, url
        except OSError:
            if process.poll() is not None:
                break
            time.sleep(0.25)
    process.kill()
    raise RuntimeError(f"the app did not start:\n{log.read_text()}")


@pytest.fixture(scope="session")
def app_log(tmp_path_factory):
    return tmp_path_factory.mktemp("app") / "log"


@pytest.fixture(scope="session")
def app_url(app_log):
    process, url = start_app(app_log)
    yield url
    process.terminate()
    process.wait(timeout=20)
    assert "Traceback" not in app_log.read_text(), app_log.read_text()
