"""What `measure` found: tables and a figure."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ib_core.bounds.capacity import reached_capacity
from ib_core.estimate import Estimate, independent_difference, interval
from ib_core.estimators.accuracy import accuracy
from ib_core.estimators.layer_information import LayerInformation
from ib_core.laws.input_law import InputLaw
from ib_core.networks.noisy_network import NoisyNetwork
from tasks.api.cell import Cells
from tasks.api.laws import REFERENCE

if TYPE_CHECKING:
    import pandas as pd

    from tasks.api.figure import Brackets


class Measurement:
    """The information in layers of a network under laws of its inputs, in nats.

    Attributes:
        laws: by name, as `InputLaw`; "reference" is the law of x.
        information: by layer's name, the `LayerInformation` under all laws on the inputs x, in their order: i(x) is its
            `pointwise`.
    """

    def __init__(self, network: NoisyNetwork, laws: Mapping[str, InputLaw], cells: Sequence[Cells]) -> None:
        self.laws = dict(laws)
        self._cells, self._base, self._names = (
            {name: each for each in cells for name in each.laws},
            cells[0],
            network.names,
        )
        # Now, as the model may be trained further.
        self._known = _known(network, cells)
        self.information = {name: cells[0].information[layer] for layer, name in enumerate(network.names, start=1)}  # type: dict[str, LayerInformation]

    @cached_property
    def table(self) -> "pd.DataFrame":
        """A row for each layer and law.

        low, high: I(X; T_l) lies between, three standard errors outwards included.
        stderr: the larger one of the two ends.
        saturation: upper end over H(X); near 1 the layer keeps all inputs apart.
        change_low, change_high: I under this law less that under "reference" lies between; clear: 0 does not.
        With y also label_low and label_high, of I(T_l; Y), and of the read-out under the law, the same in all layers:
        accuracy without noise, noisy_accuracy and its standard error noisy_accuracy_stderr.
        """
        import pandas as pd

        layers = range(1, len(self._names) + 1)
        return pd.DataFrame([self._row(layer, law) for layer in layers for law in self.laws])

    @cached_property
    def layers(self) -> "pd.DataFrame":
        """A row for each layer, by name.

        shape, width: of one signal; noise: its standard deviation.
        half_width: every coordinate of the signal lies in an interval of twice this length; NaN where nothing says so.
        power: the largest mean square of a coordinate in any pass.
        capacity: what the layer can carry at most, by its half-width or else by its power, in nats.
        cut: whether all that is behind the layer depends on X through it alone. Where not, a connection passes it by,
        and I(X; T) of later layers may be larger than its own.
        lipschitz: certified constant of X -> S_l; NaN where a module on the way is not known.
        directions: of a projection that stands for a wide layer, 0 for the whole layer.
        """
        import pandas as pd

        table = pd.DataFrame(self._known).set_index("layer")
        return table.astype({"half_width": "float64", "lipschitz": "float64"})

    def plot(self) -> "Brackets":
        """A figure of all brackets, a colour for each law: I(X; T_l) in nats and, with y, I(T_l; Y) by layer."""
        from tasks.api.figure import brackets

        return brackets(self)

    @property
    def labelled(self) -> bool:
        """Whether y was given."""
        return self._base.labelled

    def _row(self, layer: int, law: str) -> dict[str, Any]:
        cell = self._cells[law]
        k, found = list(cell.laws).index(law), cell.information[layer]
        low, high = self._change(layer, law)
        row = {
            **{"layer": self._names[layer - 1], "law": law},
            **dict(zip(("low", "high"), (float(end[k]) for end in found.bracket), strict=True)),
            "stderr": max(each.stderr for each in _ends(found, k)),
            **{"saturation": float(found.saturation[k]), "change_low": low, "change_high": high},
            "clear": bool(low > 0 or high < 0),
        }
        if self.labelled:
            assert found.label_bracket is not None
            noisy = accuracy(cell.correct, self.laws[law].weights, self._base.sampling.passes)
            row |= dict(zip(("label_low", "label_high"), (float(end[k]) for end in found.label_bracket), strict=True))
            row |= {"accuracy": float(self.laws[law].weights @ cell.clean), "noisy_accuracy": noisy.value}
            row["noisy_accuracy_stderr"] = noisy.stderr
        return row

    def _change(self, layer: int, law: str) -> tuple[float, float]:
        """I under this law less that under the reference lies between."""
        cell, base = self._cells[law], self._base.information[layer]
        if cell is self._base:
            return base.change_bracket(list(cell.laws).index(law), 0)
        # Two cells share no draws: as for laws of one cell, opposite ends.
        ours, theirs = _ends(cell.information[layer], 0), _ends(base, 0)
        least, most = (independent_difference(ours[k], theirs[1 - k]) for k in (0, 1))
        return interval(least)[0], interval(most)[1]

    def _shown(self) -> "pd.DataFrame":
        """The table as people read it."""
        import pandas as pd

        table = self.table
        shown = pd.DataFrame({"layer": table.layer, "law": table.law})
        shown["I(X;T)"] = [_between(*ends) for ends in zip(table.low, table.high, strict=True)]
        shown["saturation"] = [f"{each:.2f}" for each in table.saturation]
        if len(self.laws) > 1:
            changes = zip(table.law, table.change_low, table.change_high, table.clear, strict=True)
            shown["change"] = ["" if law == REFERENCE else _between(*ends) for law, *ends, _ in changes]
            shown["clear"] = ["yes" if each else "" for each in table.clear]
        if self.labelled:
            shown["I(T;Y)"] = [_between(*ends) for ends in zip(table.label_low, table.label_high, strict=True)]
            shown["accuracy"] = [f"{each:.3f}" for each in table.accuracy]
            shown["noisy"] = [f"{each:.3f}" for each in table.noisy_accuracy]
        return shown

    def _heading(self) -> list[str]:
        reference = self.laws[REFERENCE]
        lines = [f"Information in nats between two ends; {len(reference.atoms)} inputs, H(X) = {reference.entropy:.3f}"]
        passed = self.layers.index[~self.layers.cut]
        lines += [f"{name} is no cut: a connection passes it by" for name in passed]
        lines += [
            f"{name} has {row.width} units, of which {row.directions} directions are measured"
            for name, row in self.layers.iterrows()
            if row.directions
        ]
        return lines

    def __repr__(self) -> str:
        return "\n".join([*self._heading(), self._shown().to_string(index=False)])

    def _repr_html_(self) -> str:
        from html import escape

        return "".join(f"<p>{escape(line)}</p>" for line in self._heading()) + self._shown().to_html(index=False)


def _known(network: NoisyNetwork, cells: Sequence[Cells]) -> list[dict[str, Any]]:
    """The rows of `Measurement.layers`."""
    rows, lipschitz = [], network.lipschitz()
    for k, (half_width, level, d) in enumerate(zip(network.half_widths, network.levels, network.widths, strict=True)):
        power = float(max(each.power[k] for each in cells))
        most = reached_capacity(d, level, half_width, power)
        rows.append(
            {
                **{"layer": network.names[k], "shape": network.shapes[k], "width": d, "noise": level},
                **{"half_width": half_width, "power": power, "capacity": most, "cut": network.cuts[k]},
                **{"lipschitz": lipschitz[k], "directions": len(cells[0].directions.get(k + 1, ()))},
            }
        )
    return rows


def _ends(found: LayerInformation, k: int) -> tuple[Estimate, Estimate]:
    """Lower and upper end under the k-th law."""
    assert found.lower is not None  # a cell has own passes, or a deterministic layer
    lower, upper = (Estimate(float(end.value[k]), float(end.stderr[k])) for end in (found.lower, found.upper))
    return lower, upper


def _between(low: float, high: float) -> str:
    return f"{low:.3f} to {high:.3f}"
