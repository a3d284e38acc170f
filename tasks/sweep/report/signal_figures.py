"""The scatter of the deepest layer's signals over training."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from tasks.page import figure_style as style
from tasks.page.figure_style import INK
from tasks.sweep.report.arranged import Arranged, Sheet


def signal_scatter(arranged: Arranged, sheet: Sheet) -> Figure:
    """The deepest layer's signals by class: a row per case, a column per epoch, with a bar from -β to β."""
    signals = arranged.tables.signals
    classes = [int(label) for label in np.unique(signals["label"])]
    inks = [style.CLASS_COLOURS[k % len(style.CLASS_COLOURS)] for k in range(len(classes))]
    levels = arranged.final(arranged.tables.layers).groupby(["network", "beta", "layer"])["noise"].first()
    columns = max(case.of(signals)["epoch"].nunique() for case in arranged.cases)
    top = 0.72 + style.LINE * (len(classes) > 5)
    if columns > 1:
        figure, panels = style.sheet(len(sheet.cases), columns, 2.35 if columns > 2 else 3.0, (0.3, 0.75), top=top)
    else:  # the cases side by side
        figure, panels = style.sheet(1, len(sheet.cases), 2.0 if len(sheet.cases) > 2 else 3.0, (0.8, 0), top=top)
        panels = panels.T
    for row, case in enumerate(sheet.cases):
        cloud = case.of(signals)
        cloud = cloud[cloud["seed"] == cloud["seed"].min()]
        epochs = np.sort(cloud["epoch"].unique())
        for axes in panels[row, len(epochs) :]:
            axes.set_visible(False)
        if cloud.empty:
            continue
        points, names = _seen(cloud)
        low, high = points.min() - 0.05, points.max() + 0.05
        level = levels[case.network, case.beta, cloud["layer"].iloc[0]]
        for axes, epoch in zip(panels[row], epochs, strict=False):
            here = (cloud["epoch"] == epoch).to_numpy()
            some, labels = points[here], cloud["label"].to_numpy()[here]
            for share in range(8):  # the classes take turns, so that neither hides the other
                for label, ink in zip(classes, inks, strict=True):
                    turn = some[(labels == label) & (np.arange(len(some)) % 8 == share)]
                    axes.plot(turn[:, 0], turn[:, 1], ls="", marker="o", ms=2, mew=0, color=ink, alpha=0.4)
            axes.set(xlim=(low, high), ylim=(low, high), aspect="equal", xlabel=names[0])
            axes.set_title(f"epoch {epoch}", loc="left")
            axes.locator_params(nbins=5)
            _noise_bar(axes, level)
        panels[row, 0].set_ylabel(f"{case.label}, seed {cloud['seed'].iloc[0]}\n{names[1]}")
    handles = [
        Line2D([], [], color=ink, marker="o", ms=5, ls="", label=f"label {label}")
        for label, ink in list(zip(classes, inks, strict=True))[: len(style.CLASS_COLOURS)]
    ]
    style.legend(figure, [*handles, Line2D([], [], color=INK, lw=2, label="noise: ± β")])
    return figure


def _seen(cloud: pd.DataFrame) -> tuple[np.ndarray, tuple[str, str]]:
    """Two coordinates (n, 2) of the signals of a case, and their names: of more than two units the two directions in
    which the signals of the last epoch vary most."""
    points = np.stack(cloud["s"].to_list()).astype(np.float64)
    width = points.shape[1]
    if width < 3:
        return points[:, [0, width - 1]], ("S[1]", f"S[{width}]")
    last = points[(cloud["epoch"] == cloud["epoch"].max()).to_numpy()]
    mean = last.mean(axis=0)
    variances, directions = np.linalg.eigh((last - mean).T @ (last - mean))
    axes = directions[:, [-1, -2]]
    axes = axes * np.where(axes[np.abs(axes).argmax(axis=0), [0, 1]] < 0, -1.0, 1.0)  # the sign is the solver's choice
    shares = 100 * variances[[-1, -2]] / variances.sum() if variances.sum() > 0 else np.zeros(2)
    first, second = (
        f"{name} direction, {share:.0f} %" for name, share in zip(("first", "second"), shares, strict=True)
    )
    return (points - mean) @ axes, (first, second)


def _noise_bar(axes: Axes, level: float) -> None:
    """A bar above the panel, at its right, from -β to β of the layer's noise."""
    (low, high), above = axes.get_xlim(), axes.get_xaxis_transform()
    if 2 * level > high - low:  # a bar as long would leave the page
        axes.text(high, 1.05, "± β is wider", transform=above, ha="right", va="center")
        return
    axes.plot([high - 2 * level, high], [1.05, 1.05], color=INK, lw=2, transform=above, clip_on=False)
    axes.text(high - 2 * level - 0.02 * (high - low), 1.05, "± β", transform=above, ha="right", va="center")
