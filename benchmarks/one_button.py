"""The peer of the page benchmarks: Gradio with one button, and an event that does nothing."""

import sys

import gradio as gr

with gr.Blocks() as app:
    button = gr.Button("Press", elem_id="press")
    count = gr.Number(0, elem_id="count")
    button.click(lambda n: n + 1, count, count, show_progress="hidden")

if __name__ == "__main__":
    app.launch(server_name="127.0.0.1", server_port=int(sys.argv[1]), quiet=True, ssr_mode=False)
