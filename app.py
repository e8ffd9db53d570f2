"""Glassbox: `python app.py` starts it and prints its address."""

import argparse
import os

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")  # before Gradio is imported

from demos.catalog import SECTIONS, TOPICS
from demos.kit.page import build, launch

app = build(TOPICS, SECTIONS)

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--host", help="address to serve on (default: this machine only)")
    parser.add_argument("--port", type=int, help="port (default: the first free one from 7860)")
    parser.add_argument("--share", action="store_true", help="make a public Gradio link")
    arguments = parser.parse_args()
    launch(app, host=arguments.host, port=arguments.port, share=arguments.share)
