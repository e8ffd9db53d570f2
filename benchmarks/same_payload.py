"""The peer of the maps' benchmark: an event that sends as many bytes, which are fetched and unpacked."""

import secrets
import sys

import gradio as gr
import numpy as np

from demos.kit.linked import served
from demos.kit.pack import pack
from demos.kit.page import STATIC

SCRIPT = """
const load = async () => {
  const value = props.value;
  if (!value || !value.file) return;
  const from = value.file.url || `/gradio_api/file=${value.file.path}`;
  window.Glassbox.unpack(await (await fetch(from)).arrayBuffer(), value.parts);
  element.firstElementChild.dataset.run = value.key;
};
watch('value', load);
load();
"""


def send():
    """Six arrays of 160 x 160, as the maps have, and as many numbers as the number line and the profile."""
    rng = np.random.default_rng()
    parts = {str(n): (rng.normal(size=(160, 160)), "f4") for n in range(6)}
    value = served(pack(parts, {"key": secrets.token_hex(16)}))
    return value, {"line": rng.normal(size=2500).tolist()}, {"profile": rng.normal(size=1400).tolist()}


with gr.Blocks() as app:
    button = gr.Button("Press", elem_id="press")
    view = gr.HTML(html_template="<div></div>", js_on_load=SCRIPT, elem_id="view")
    others = [gr.HTML(html_template="<div></div>", js_on_load="props.value") for _ in range(2)]
    button.click(send, None, [view, *others], show_progress="hidden")

if __name__ == "__main__":
    head = "<script>window.Glassbox = {};" + (STATIC / "chart.js").read_text() + "</script>"
    app.launch(server_name="127.0.0.1", server_port=int(sys.argv[1]), quiet=True, ssr_mode=False, head=head)
