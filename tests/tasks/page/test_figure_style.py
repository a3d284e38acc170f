"""Figures as files: text stays text, colours adapt to a dark page, words on cells can be read."""

import re
import xml.etree.ElementTree as ElementTree

import matplotlib
import numpy as np
import pytest
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize, to_rgb
from matplotlib.figure import Figure

from tasks.page import figure_style as style


def drawn(dots: int = 3, text: str = "0.123456 nats") -> Figure:
    with style.house_style():
        figure = Figure(figsize=(4, 2))
        axes = figure.subplots()
        axes.plot(np.linspace(0, 1, dots), np.linspace(0, 1, dots) ** 2, ls="", marker="o", color=style.INK)
        axes.set_title(text)
    return figure


def test_words_of_a_drawing_stay_words_and_numbers_in_them_are_not_rounded():
    page = ElementTree.fromstring(style.svg(drawn()))
    texts = ["".join(each.itertext()) for each in page.iter("{http://www.w3.org/2000/svg}text")]
    assert "0.123456 nats" in texts and "0.0" in texts


def test_a_drawing_has_the_same_bytes_every_time_and_neither_ids_twice_nor_ones_that_lead_nowhere():
    first, second = (style.svg(drawn()).decode() for _ in range(2))
    ids = re.findall(r' id="([^"]*)"', first)
    assert first == second and len(ids) == len(set(ids))
    assert set(re.findall(r'(?:url\(|href=")#([\w.-]+)', first)) == set(ids)


def test_what_is_drawn_in_ink_is_light_on_a_dark_page():
    sheet = style.svg(drawn()).decode().partition("<style>")[2].partition("</style>")[0]
    light, _, dark = sheet.partition("@media screen and (prefers-color-scheme: dark)")
    assert style.INK in light and style.INK not in dark and style.DARK[style.INK] in dark


def test_of_a_drawing_in_very_many_dots_the_smaller_file_is_kept():
    assert style.picture(drawn())[0] == "svg"
    ending, content = style.picture(drawn(dots=20_000))
    assert ending == "png" and len(content) < len(style.svg(drawn(dots=20_000)))


@pytest.mark.parametrize("scale", ["PuOr_r", "YlGnBu", "Greys"])
def test_words_on_every_cell_of_a_scale_have_the_contrast_that_small_print_needs(scale):
    def luminance(colour):
        parts = [x / 12.92 if x <= 0.04045 else ((x + 0.055) / 1.055) ** 2.4 for x in to_rgb(colour)]
        return float(np.dot(parts, [0.2126, 0.7152, 0.0722]))

    for cell in matplotlib.colormaps[scale](np.linspace(0, 1, 256)):
        low, high = sorted((luminance(style.on(cell)), luminance(cell)))
        assert (high + 0.05) / (low + 0.05) >= 4.5


def test_a_cap_beyond_an_axis_is_named_at_its_edge():
    figure = drawn()
    axes = figure.axes[0]
    axes.set_ylim(0, 1)
    style.limit(axes, 8.32, "H(X) = 8.32")
    assert [text.get_text() for text in axes.texts] == ["H(X) = 8.32 ↑"] and axes.get_ylim() == (0, 1)


def test_names_at_line_ends_neither_touch_nor_leave_a_panel_that_has_room_for_them():
    axes = drawn().axes[0]
    axes.set_ylim(0, 10)
    style.end_labels(axes, 1.0, [style.Label(9.9, name, "k") for name in "abc"], panel=2.0)
    heights = sorted(text.xy[1] for text in axes.texts)
    assert heights[-1] < 10 and min(np.diff(heights)) >= 0.99 * 1.2 * 8 / 72 / 2.0 * 10


def test_cells_without_a_value_are_left_blank():
    axes = drawn().axes[0]
    scale = ScalarMappable(Normalize(0, 1), "YlGnBu")
    style.cells(axes, np.array([[0.5, np.nan]]), scale)
    colours = axes.collections[-1].get_array().reshape(-1, 4)
    assert list(colours[:, 3]) == [1.0, 0.0] and tuple(colours[0]) == scale.to_rgba(0.5)
