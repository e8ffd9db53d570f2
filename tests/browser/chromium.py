"""The browser that the tests drive: the system's Chromium, or Debian's, installed through apt.

`python -m tests.browser.chromium` sees to it that there is one, or says what to install.
"""

import os
import shutil
import subprocess
import sys

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
# Nothing that the browser does by itself may reach out; the tests count the page's own requests.
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-fake-ui-for-media-stream",
    "--use-fake-device-for-media-stream",
)
MISSING = (
    "The browser tests need Chromium or Chrome on the PATH, and it could not be installed with apt-get: "
    "install it (on Debian or Ubuntu: `sudo apt-get install chromium`) and run the command again."
)


def find() -> str | None:
    """The path of a Chromium or Chrome, or None."""
    return next((path for path in map(shutil.which, NAMES) if path), None)


def install() -> None:
    """Debian's chromium, where apt-get and the right to use it are there. Exits with MISSING if not."""
    apt = shutil.which("apt-get")
    if apt is None:
        sys.exit(MISSING)
    root = [] if os.geteuid() == 0 else ["sudo", "-n"]
    if root and shutil.which("sudo") is None:
        sys.exit(MISSING)
    for step in (["update", "-qq"], ["install", "-y", "-qq", "--no-install-recommends", "chromium"]):
        if subprocess.run([*root, apt, *step], stdout=subprocess.DEVNULL).returncode:
            sys.exit(MISSING)


if __name__ == "__main__":
    if find() is None:
        install()
    if find() is None:
        sys.exit(MISSING)
