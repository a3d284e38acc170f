"""What several reproductions draw: brackets by epoch."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tasks.page import figure_style as style
from tasks.page.figure_style import DOTTED, INK
from tasks.page.page import Rows
from tasks.page.tables import number
from tasks.reproduction.reading import brackets
from tasks.sweep.report.arranged import Arranged

PANEL = 3.0  # inches


def information_curves(
    found: Arranged,
    layers: Sequence[int],
    *,
    networks: Sequence[str] | None = None,
    levels: Mapping[str, float] | None = None,
    quantity: str = "I_X_T",
    label: str = "I(X; T) in nats",
) -> Figure:
    """Brackets by epoch: a panel for each network and noise level, a colour for each layer, a line for each seed.

    Args:
        levels: heights that are marked, by their names.
    """
    cases = [case for case in found.cases if networks is None or case.network in networks]
    figure, panels = style.sheet(1, max(1, len(cases)), PANEL, (0.25, 0), sharey=True)
    for axes, case in zip(panels[0], cases, strict=False):  # none where no cell has results
        for layer in layers:
            for _, path in brackets(found, layer, quantity, network=case.network, beta=case.beta).groupby("seed"):
                curve(axes, path, layer)
        for name, height in (levels or {}).items():
            axes.axhline(height, color=INK, lw=0.9, ls=DOTTED)
            axes.annotate(name, (1, height), (-2, 2), xycoords=("axes fraction", "data"), textcoords="offset points",
                          ha="right", va="bottom", fontsize=8)  # fmt: skip
        epochs = np.sort(case.of(found.tables.history)["epoch"].unique())
        if len(epochs):
            style.epoch_axis(axes, epochs)
        axes.set_xlabel("epoch")
        axes.set_title(case.label if len(cases) > 1 else "")
    panels[0, 0].set_ylabel(label)
    style.legend(figure, style.layer_handles(list(layers)))
    return figure


def curve(axes: Axes, path: object, layer: int) -> None:
    """The bracket of one layer of one seed by epoch."""
    ink = style.colour(layer)
    axes.fill_between(path["epoch"], path["lower"], path["upper"], color=ink, alpha=0.25, lw=0)  # type: ignore[index]
    axes.plot(path["epoch"], path["middle"], color=ink, lw=1.2, marker=style.marker(layer), ms=3)  # type: ignore[index]


def curves_in_words(
    found: Arranged, layers: Sequence[int], *, networks: Sequence[str] | None = None, quantity: str = "I_X_T"
) -> str:
    """What `information_curves` shows: where the deepest layer begins, is highest and ends, means over seeds."""
    said = []
    for case in [case for case in found.cases if networks is None or case.network in networks]:
        path = brackets(found, layers[-1], quantity, network=case.network, beta=case.beta)
        means = path.groupby("epoch")["middle"].mean()
        if len(means):
            said.append(
                f"{case.label}: layer {layers[-1]} begins with {number(means.iloc[0], 2)} nats, is highest at epoch "
                f"{means.idxmax()} with {number(means.max(), 2)} and ends with {number(means.iloc[-1], 2)}"
            )
    return f"{'; '.join(said)}." if said else ""


def clean(sweep: str, quantity: str = "I_X_T") -> tuple[Rows, ...]:
    """The rows of a sweep's table that `information_curves` draws."""
    return (Rows("information.csv", f"quantity = {quantity}, shift = reference", sweep),)
