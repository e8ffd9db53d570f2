"""Colours and type: one look for all topics, light and dark."""

import gradio as gr

# Okabe and Ito (2008), "Color Universal Design": eight colours that colour-blind eyes tell apart.
SKY_BLUE, BLUISH_GREEN, VERMILION = "#56B4E9", "#009E73", "#D55E00"
ORANGE, PURPLE, BLUE = "#E69F00", "#CC79A7", "#0072B2"

# Each has one meaning through the whole app.
DRAFT, ACCEPTED, REJECTED = SKY_BLUE, BLUISH_GREEN, VERMILION
RESAMPLED, BONUS, TARGET = ORANGE, PURPLE, BLUE


def _rem(name: str, pixels: tuple[int, ...]) -> gr.themes.Size:
    """Gradio's sizes in rem, so that they grow with the root font (the lecture size)."""
    return gr.themes.Size(*[f"{p / 16}rem" for p in pixels], name=name)


def theme() -> gr.themes.Base:
    """The app's theme. Fonts are the machine's own: the page asks no other host for anything."""
    return gr.themes.Base(
        primary_hue=gr.themes.colors.sky,
        neutral_hue=gr.themes.colors.slate,
        font=["system-ui", "sans-serif"],
        font_mono=["ui-monospace", "monospace"],
        text_size=_rem("text", (10, 12, 13, 15, 17, 21, 26)),
        spacing_size=_rem("spacing", (1, 2, 4, 6, 8, 10, 16)),
        radius_size=_rem("radius", (1, 2, 3, 4, 6, 8, 12)),
    ).set(
        body_text_color_subdued="*neutral_600",
        body_text_color_subdued_dark="*neutral_300",
        block_info_text_color="*neutral_600",
        block_info_text_color_dark="*neutral_300",
        block_label_text_color="*neutral_700",
        block_label_text_color_dark="*neutral_200",
        block_title_text_color="*neutral_800",
        block_title_text_color_dark="*neutral_100",
        button_primary_background_fill="*primary_700",
        button_primary_background_fill_dark="*primary_700",
        button_primary_background_fill_hover="*primary_800",
        button_primary_text_color="white",
        color_accent="*primary_700",
        slider_color="*primary_700",
        link_text_color="*primary_800",
        link_text_color_dark="*primary_300",
        input_placeholder_color="*neutral_500",
        input_placeholder_color_dark="*neutral_400",
    )
