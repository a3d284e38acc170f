"""How every figure looks: fixed colours, the axis of shift sizes, labels at line ends, and how it becomes a file."""

import io
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.cm import ScalarMappable
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.legend import Legend
from matplotlib.lines import Line2D
from matplotlib.ticker import NullFormatter, NullLocator
from PIL import Image

from ib_core.bounds.theorem import Theorem

PAGE = 11.0  # inches; at 110 dpi a little wider than the page's column
DPI = 110
SHARP = 2  # times as many pixels where a figure is not drawn in lines
THUMBNAIL_DPI = 58
MOST_BYTES = 200_000  # of an SVG; of a larger one the PNG may be smaller
UNSEEN = 24  # of 255
LINE = 0.2  # inches, a further line of keys
KEY, LETTER = 0.6, 0.07  # inches that a key takes, and a letter of its label
# Okabe and Ito's colour-blind safe colours, ordered from cool (early layers) to warm (late layers).
LAYER_COLOURS = ("#0072B2", "#56B4E9", "#009E73", "#E69F00", "#D55E00", "#CC79A7", "#555555", "#A6761D")
LAYER_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
# Away from the layers' hues, and told apart by their dashes alone in a grey print.
THEOREM_COLOURS = ("#332288", "#882255", "#6699CC", "#999933", "#777777", "#000000")
THEOREM_DASHES: tuple[Any, ...] = ((0, (5, 1.5)), (0, (1, 1.2)), (0, (7, 2, 1.5, 2)), (0, (2.5, 2)), "-", (0, (9, 2)))
CLASS_COLOURS = (
    *("#3B4CC0", "#B40426", "#009E73", "#E69F00", "#CC79A7", "#56B4E9", "#A6761D", "#555555", "#999933", "#000000"),
)
VACUOUS: dict[str, Any] = {"facecolor": "#f1f1f1", "edgecolor": "#d2d2d2", "hatch": "////"}
SIDE, FOOT = ("axes fraction", "data"), ("data", "axes fraction")
DASHED, DOTTED, DASH_DOT = (0, (4, 2)), (0, (1, 2)), (0, (6, 1.5, 1, 1.5))
INK, FAINT = "#222222", "#8a8a8a"
WHITE, SHADE, KEY_SHADE, GRID = "#ffffff", "#f0f0f0", "#e4e4e4", "#e9e9e9"
ON_LIGHT, ON_DARK = "#000001", "#fffffe"  # words on coloured cells, which are the same on a dark page
DARK_PAPER = "#16181b"
# What the house's colours become on a dark page. Colours of scales are the same there.
DARK = {
    **{INK: "#e4e4e2", FAINT: "#9a9a9a", WHITE: DARK_PAPER, SHADE: "#24282d", KEY_SHADE: "#3b4047", GRID: "#2d3136"},
    **{VACUOUS["facecolor"]: "#22262b", VACUOUS["edgecolor"]: "#4b5058"},
    **{"#0072B2": "#3d8fd6", "#56B4E9": "#93d2f7", "#009E73": "#2bbf92", "#D55E00": "#f0793a", "#CC79A7": "#dd93bb"},
    **{"#555555": "#b4b4b4", "#A6761D": "#c99a43", "#332288": "#a79bff", "#882255": "#e583ae", "#6699CC": "#7fb2e5"},
    **{"#999933": "#c4c452", "#777777": "#a8a8a8", "#000000": "#ffffff", "#3B4CC0": "#8b9cff", "#B40426": "#ff6b7a"},
}
# Verdana is as wide as DejaVu Sans, for which the figures are set.
FONTS = "'DejaVu Sans', Verdana, sans-serif"
SETTINGS: dict[Any, Any] = {
    "font.family": "DejaVu Sans",
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.facecolor": "none",
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.labelsize": 9,
    "axes.edgecolor": FAINT,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "grid.linewidth": 0.7,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "xtick.color": INK,
    "ytick.color": INK,
    "legend.fontsize": 8.5,
    "legend.frameon": False,
    "hatch.linewidth": 0.5,
    "text.parse_math": False,
}


def theorem_looks(theorems: Iterable[Theorem]) -> dict[str, dict[str, Any]]:
    """Colour and dashes of the lines of each theorem of a figure, by its name."""
    colours, dashes = THEOREM_COLOURS, THEOREM_DASHES
    return {
        theorem.name: {
            "color": colours[k % len(colours)],
            "ls": dashes[(k + k // len(colours)) % len(dashes)],
            "lw": 1.4,
        }
        for k, theorem in enumerate(theorems)
    }


class Label(NamedTuple):
    """A line's name at the height where the line ends."""

    y: float
    text: str
    colour: str


@contextmanager
def house_style() -> Iterator[None]:
    """matplotlib's own defaults plus ours, whatever this machine's matplotlibrc says; restored afterwards."""
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(SETTINGS)
        yield


def colour(layer: int) -> str:
    """The layer's colour, the same in every figure."""
    return LAYER_COLOURS[(layer - 1) % len(LAYER_COLOURS)]


def marker(layer: int) -> str:
    """The layer's marker, the same in every figure."""
    return LAYER_MARKERS[(layer - 1) % len(LAYER_MARKERS)]


def layer_handles(layers: list[int]) -> list[Line2D]:
    """Keys of the layers."""
    return [Line2D([], [], color=colour(k), marker=marker(k), ms=5, lw=1.8, label=f"layer {k}") for k in layers]


def sheet(
    rows: int,
    columns: int,
    panel: float,
    gaps: tuple[float, float],
    bar: bool = False,
    top: float = 0.64,
    bottom: float = 0.5,
    gridspec: dict[str, Any] | None = None,
    **options: Any,
) -> tuple[Figure, np.ndarray]:
    """A figure of the house's width and its axes (rows, columns), panels `panel` inches high, gaps in inches.

    Margins are fixed, `top` holds the legend and the titles: matplotlib's own layouts draw every tick twice.
    """
    left, right = 0.8, 0.95 if bar else 0.12
    width = (PAGE - left - right - (columns - 1) * gaps[0]) / columns
    height = top + bottom + rows * panel + (rows - 1) * gaps[1]
    figure = Figure(figsize=(PAGE, height), dpi=DPI)
    frame = {"left": left / PAGE, "right": 1 - right / PAGE, "bottom": bottom / height, "top": 1 - top / height}
    grid = {**frame, "wspace": gaps[0] / width, "hspace": gaps[1] / panel, **(gridspec or {})}
    return figure, figure.subplots(rows, columns, squeeze=False, gridspec_kw=grid, **options)


def legend(figure: Figure, handles: Sequence[Any], text: str = "", lines: int = 2) -> None:
    """Keys at the top of the sheet, after a bold `text`: on one line where they fit, else on two, or on `lines`."""
    needed = sum(KEY + LETTER * len(handle.get_label()) for handle in handles)
    fits = len(handles) <= 8 and needed <= PAGE - bool(text)
    height, columns = figure.get_figheight(), len(handles) if fits else -(-len(handles) // lines)
    middle = 1 - (0.2 + LINE / 2 * (-(-len(handles) // columns) - 1)) / height
    start = figure.text(0.012, 1 - 0.2 / height, text, fontweight="bold", fontsize=10, va="center")

    def draw(centre: float, **spacing: float) -> Legend:
        anchor = (centre, middle)
        return figure.legend(handles=handles, ncols=columns, loc="center", bbox_to_anchor=anchor, **spacing)

    keys = draw(0.5 + 0.03 * bool(text), columnspacing=1.4, handlelength=2.2)
    renderer = FigureCanvasAgg(figure).get_renderer()
    taken = start.get_window_extent(renderer).x1 / figure.bbox.width + 0.015
    if text and keys.get_window_extent(renderer).x0 < taken * figure.bbox.width:
        # The widest keys would touch the text: closer together, they stand in the middle of what it leaves.
        keys.remove()
        draw(0.5 + taken / 2, columnspacing=0.8, handlelength=1.8, handletextpad=0.5, borderpad=0)


def colour_bar(figure: Figure, panels: np.ndarray, mappable: ScalarMappable, label: str) -> None:
    """A colour bar as high as the panels, at their right."""
    edge, low, high = panels[0, -1].get_position().x1, panels[-1, -1].get_position().y0, panels[0, -1].get_position().y1
    axes = figure.add_axes((edge + 0.12 / PAGE, low, 0.14 / PAGE, high - low))
    figure.colorbar(mappable, cax=axes, label=label, format="{x:g}").ax.yaxis.set_minor_formatter(NullFormatter())


def picture(figure: Figure) -> tuple[str, bytes]:
    """The figure as a file, and how the file's name ends: "svg", or "png" where that is smaller."""
    drawn = svg(figure)
    if len(drawn) <= MOST_BYTES:
        return "svg", drawn
    return min(("svg", drawn), ("png", png(figure, SHARP * DPI)), key=lambda file: len(file[1]))


def png(figure: Figure, dpi: float = DPI) -> bytes:
    """The figure as PNG, the same bytes for the same figure: no version, no date; of 256 colours, which is half of
    the bytes, where none is then off by more than `UNSEEN`."""
    canvas, buffer, before = FigureCanvasAgg(figure), io.BytesIO(), figure.dpi
    figure.dpi = dpi
    canvas.draw()
    picture = Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")
    figure.dpi = before
    few = picture.quantize(256, method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    off = np.abs(np.asarray(few.convert("RGB"), np.int16) - np.asarray(picture, np.int16)).max()
    (few if off <= UNSEEN else picture).save(buffer, "png", optimize=True)
    return buffer.getvalue()


def svg(figure: Figure) -> bytes:
    """The figure as SVG with text as text, the same bytes for the same figure; its colours adapt to a dark page."""
    buffer = io.StringIO()
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "ibshift"}):
        figure.savefig(buffer, format="svg", facecolor="none", dpi=SHARP * DPI)
    text = buffer.getvalue()
    text = re.sub(r"<metadata>.*?</metadata>", "", text[text.index("<svg") :], flags=re.DOTALL)
    text = re.sub(r"<!--.*?-->", "", text, flags=re.DOTALL)
    referred = set(re.findall(r"#([\w.-]+)", text))
    styles: dict[str, str] = {}

    def name(style: re.Match[str]) -> str:
        look = style[1].replace("'DejaVu Sans'", FONTS)
        return f'class="{styles.setdefault(look, f"s{len(styles)}")}"'

    def shorten(tag: re.Match[str]) -> str:
        """Figures of a hundredth of a point, no name that nothing refers to, and a class in place of a style."""
        short = re.sub(r"-?\d+\.\d{3,}", lambda number: f"{float(number[0]):.2f}".rstrip("0").rstrip("."), tag[0])
        short = re.sub(r' id="([^"]*)"', lambda found: found[0] if found[1] in referred else "", short)
        short = re.sub(r'(?<=<rect )(.*)fill="(#\w+)"', r'\1style="fill: \2"', short)
        return re.sub(r"\s+", " ", re.sub(r'style="([^"]*)"', name, short))

    body = re.sub(r"<(?!image)[^>]*>", shorten, text)
    body = re.sub(r">\s*\n\s*<", "><", body)
    while body != (without := re.sub(r"<g>((?:<(?!/?g\b)[^>]*>[^<]*)*)</g>", r"\1", body)):
        body = without  # groups that group nothing
    start = body.index(">") + 1
    return f"{body[:start]}<style>{_sheet(styles)}</style>{body[start:]}".encode()


def _sheet(styles: dict[str, str]) -> str:
    """The styles as classes, and those that are others on a dark page."""
    dark = {look: _on_dark(look) for look in styles}
    other = "".join(f".{styles[look]}{{{now}}}" for look, now in dark.items() if now != look)
    every = "".join(f".{name}{{{look}}}" for look, name in styles.items())
    return f"{every}@media screen and (prefers-color-scheme: dark){{{other}}}" if other else every


def _on_dark(look: str) -> str:
    """A style on a dark page."""
    return re.sub(r"#[0-9a-f]{6}\b", lambda found: _DARK.get(found[0], found[0]), look)


_DARK = {light.lower(): dark for light, dark in DARK.items()}


def on(cell: Any) -> str:
    """The colour of words on a cell of this colour: the one of more contrast."""
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in to_rgb(cell)]
    luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    return ON_DARK if luminance < 0.179 else ON_LIGHT


def place(sizes: Sequence[float] | np.ndarray, grid: Sequence[float] | np.ndarray) -> np.ndarray:
    """Positions on the size axis: sizes, or ln(1 + size / smallest) once the grid spans more than a decade."""
    positive = [size for size in grid if size > 0]
    wide = bool(positive) and max(positive) > 10 * min(positive)
    return np.log1p(np.asarray(sizes) / min(positive)) if wide else np.asarray(sizes, dtype=float)


def size_axis(axes: Axes, grid: Sequence[float] | np.ndarray, label: str, room: float = 0.16) -> None:
    """Ticks at the sizes that were run, and room at the right for labels."""
    positions = place(grid, grid)
    span = float(np.ptp(positions)) or 1.0
    axes.set_xlim(positions.min() - 0.04 * span, positions.max() + room * span)
    width = axes.get_position().width * PAGE
    shown = apart(positions, 0.3 * (1.04 + room) / width)
    axes.set_xticks(positions[shown], [f"{grid[index]:g}" for index in shown])
    axes.set_xlabel(label)


def epoch_axis(axes: Axes, epochs: np.ndarray, gap: float = 0.07) -> None:
    """Logarithmic epochs with ticks at those that were kept, `gap` of the axis apart; epoch 0, when it is there, left
    of epoch 1."""
    if (epochs == 0).any():
        axes.set_xscale("symlog", linthresh=1)
        axes.set_xlim(-0.2, max(float(epochs.max()) ** 1.04, 1.2))
    else:
        axes.set_xscale("log")
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xticks(epochs[apart(np.log1p(epochs), gap)])
    axes.xaxis.set_major_formatter("{x:g}")


def apart(positions: np.ndarray, gap: float = 0.07) -> list[int]:
    """Indices, from the last one back, of rising positions at least `gap` of the whole span apart."""
    kept = [len(positions) - 1]
    for index in range(len(positions) - 2, -1, -1):
        if positions[kept[-1]] - positions[index] >= gap * (positions[-1] - positions[0] or 1.0):
            kept.append(index)
    return kept[::-1]


def limit(axes: Axes, value: float, name: str, vertical: bool = False) -> None:
    """A dotted line at a cap, named; where it lies beyond the axis, its name at the edge. Limits must be final."""
    low, high = axes.get_xlim() if vertical else axes.get_ylim()
    inside = low <= value <= high
    if inside:
        (axes.axvline if vertical else axes.axhline)(value, color=INK, lw=0.9, ls=DOTTED, zorder=1.5)
    text = name if inside else f"{name} {'→' if vertical else '↑'}"
    x, y, frame = (min(value, high), 0, FOOT) if vertical else (1, min(value, high), SIDE)
    shift, side = ((3, 4), "left") if vertical and inside else ((-3, 3), "right")
    axes.annotate(text, (x, y), shift if inside or vertical else (-3, -10), xycoords=frame, textcoords="offset points",
                  ha=side, va="bottom", rotation=90 if vertical and inside else 0, fontsize=7.5, color=INK)  # fmt: skip


def cells(axes: Axes, values: np.ndarray, scale: ScalarMappable) -> None:
    """Coloured cells at whole numbers, the first row on top; none where a value is NaN."""
    colours = scale.to_rgba(np.ma.masked_invalid(values))
    rows, columns = values.shape
    edges = np.arange(columns + 1) - 0.5, np.arange(rows + 1) - 0.5
    axes.pcolormesh(*edges, colours)
    axes.set(xlim=(-0.5, columns - 0.5), ylim=(rows - 0.5, -0.5))
    axes.grid(False)


def end_labels(
    axes: Axes, x: float, labels: Iterable[Label], panel: float, logarithmic: bool = False, fontsize: float = 8
) -> None:
    """Names at line ends, pushed apart just enough that none covers another; limits must be final.

    Args:
        panel: height of the axes in inches.
        logarithmic: whether the axis is; heights of labels are then powers of ten.
    """
    low, high = np.log10(axes.get_ylim()) if logarithmic else axes.get_ylim()
    gap = 1.2 * fontsize / 72 / panel * (high - low)
    ordered = sorted((label for label in labels if np.isfinite(label.y)), key=lambda label: label.y)
    heights = np.array([label.y for label in ordered])
    for _ in range(200):  # relax: neighbours closer than the gap move apart by half of what is missing
        missing = gap - np.diff(heights)
        if (missing <= 1e-9).all():
            break
        push = np.maximum(missing, 0) / 2
        heights[1:] += push
        heights[:-1] -= push
    if len(heights):  # and none beyond the panel, where they fit into it
        heights += max(0.0, low + gap / 2 - heights[0])
        heights -= max(0.0, heights[-1] - (high - gap / 2))
    for label, height in zip(ordered, heights, strict=True):
        axes.annotate(
            label.text, (x, 10**height if logarithmic else height), (5, 0), textcoords="offset points", va="center",
            color=label.colour, fontsize=fontsize, fontweight="bold", annotation_clip=False,
        )  # fmt: skip


def band(axes: Axes, x: Any, line: Any, ink: str) -> None:
    """The bracket between columns lower and upper of `line`: faint, since several overlap, and its lower edge."""
    axes.fill_between(x, line["lower"], line["upper"], color=ink, alpha=0.12, lw=0)
    axes.plot(x, line["lower"], color=ink, lw=0.6, alpha=0.8)


def shade_vacuous(axes: Axes, x0: float | None = None, y0: float | None = None) -> None:
    """Hatch where no bound says more than the trivial one: from x0 on, or from height y0 up."""
    if x0 is not None:
        axes.axvspan(x0, axes.get_xlim()[1], lw=0, zorder=0, **VACUOUS)
    if y0 is not None:
        axes.axhspan(y0, axes.get_ylim()[1], lw=0, zorder=0, **VACUOUS)
