"""Gradio's slider and image, without what they do to a value before the handler sees it."""

from abc import ABCMeta

import gradio as gr
from gradio.data_classes import ImageData
from gradio.processing_utils import check_all_files_in_cache


class _WithoutStub(type(gr.Image)):
    """Gradio's metaclass, except that it writes no .pyi file beside the source.

    What is to be changed of a component needs a subclass: Gradio makes it anew from its class after each
    update (gr.update, gr.skip), and what was set on the object is lost then.
    """

    def __new__(cls, name, bases, attributes):
        return ABCMeta.__new__(cls, name, bases, attributes)


class _Slider(gr.Slider, metaclass=_WithoutStub):
    """Without Gradio's own check, which ends in a server error where the number's field was emptied."""

    is_template = True  # in the browser it is a gr.Slider

    def preprocess(self, payload: object) -> object:
        return payload


def slider(low: float, high: float, value: float, *, step: float, label: str) -> gr.Slider:
    """A slider whose number may be anything, so that the handler says in a sentence what was expected."""
    return _Slider(low, high, value, step=step, label=label)


class PictureInput(gr.Image, metaclass=_WithoutStub):
    """An image whose handler gets the path of the file as it was uploaded.

    gr.Image itself opens the picture, without a limit of its size, and writes it anew: the handler would
    get neither its EXIF nor its colours.
    """

    is_template = True  # in the browser it is a gr.Image

    def preprocess(self, payload: ImageData | None) -> str | None:
        """The path of an uploaded file, None without one. Raises gr.Error for any other file.

        Gradio checks only files that are marked as such, and a request may leave the mark out.
        """
        if payload is None:
            return None
        check_all_files_in_cache(payload.model_dump())
        return payload.path


def picture_input(
    label: str, value: str | None = None, *, height: int | str | None = None, elem_id: str | None = None
) -> gr.Image:
    """A picture from a file, the camera or the clipboard; its value is what `images.read_picture` takes.

    value: the path of a first picture; height: pixels, or a CSS length.
    """
    return PictureInput(
        value,
        label=label,
        height=height,
        elem_id=elem_id,
        type="filepath",
        image_mode=None,
        sources=["upload", "webcam", "clipboard"],
        webcam_options=gr.WebcamOptions(mirror=False),  # else a held-up page would arrive mirrored
        interactive=True,
    )
