"""The verdict of a sweep in sentences: what its report says first, and `summary.md` says again.

Every claim follows from brackets at the final epoch. Layers are compared by |ΔI| / I, the change under the largest size
of a family over the information under the reference law, in the mean over the seeds. A layer is the most robust, or the
most affected, where the bracket of its mean lies apart from those of all others and no seed says otherwise.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import pandas as pd

from ib_core.bounds.theorems import named
from ib_core.estimate import WIDTH
from tasks.page.summary import listed, shortened
from tasks.page.tables import down, up
from tasks.sweep.report.arranged import Arranged, Case
from tasks.sweep.report.phases import LEAST, phases, verdict
from tasks.sweep.schema import ESTIMATE
from tasks.sweep.sizes import at_size, title

SATURATED = 0.95  # of H(X)
ROLES = {"Most robust": "least", "Most affected": "most"}
NOTE = (
    "Layers are compared by |ΔI| / I(X; T), the change of the information under the largest size of a family over the "
    "information under the reference law, at the final epoch and in the mean over seeds. A layer is named where its "
    "bracket lies apart from those of all others. Ends of what lies between two numbers are rounded outwards."
)
CASE = ["network", "beta", "split"]
# What every seed shows, of one layer and of several, with the least that it is; then what only some show.
PHASES = {
    "rises, then compresses": ("rises, then compresses", "rise, then compress", "lost_low"),
    "compresses from the start": ("compresses from the start", "compress from the start", "lost_low"),
    "compresses": ("compresses", "compress", "lost_low"),
    "rises": ("rises", "rise", "rise_low"),
    "rises, in some seeds then compresses": ("rises", "rise", "rise_low"),
    "differs between seeds": ("differs between seeds", "differ between seeds", ""),
    "no change beyond the brackets": ("does not change beyond the brackets", "do not change beyond the brackets", ""),
}


class Answer(NamedTuple):
    """Which layer it is; None where that is not decided, and between which then.

    Attributes:
        layer: the layer.
        among: the layers that it may be.
        seeds: whether seeds contradict each other.
    """

    layer: int | None
    among: tuple[int, ...]
    seeds: bool = False


class Reaction(NamedTuple):
    """How the layers of a case react to a family at its largest size.

    Attributes:
        shares: |ΔI| / I by layer, mean over seeds, from `low` to `high`; `sign` of ΔI, 0 where a seed leaves it open.
        seeds: over how many.
        least: the most robust layer.
        most: the most affected one; no layer and none to choose from where no change is clear.
    """

    family: str
    size: float
    metric: str
    shares: pd.DataFrame
    seeds: int
    least: Answer
    most: Answer

    @property
    def moved(self) -> bool:
        """Whether any change is clear."""
        return bool((self.shares["low"] > 0).any())


@dataclass(frozen=True)
class Verdict:
    """What the brackets of a sweep decide, case by case."""

    arranged: Arranged

    @cached_property
    def shares(self) -> pd.DataFrame:
        """|ΔI| / I from `low` to `high`, the `sign` of a clear change, and ΔI / I from `fall` to `rise`, under the
        largest measured size of each family."""
        change = self.arranged.final(self.arranged.deviation)
        change = change[change["size"] > 0]
        change = change[change["size"] == change.groupby([*CASE, "shift"])["size"].transform("max")]
        keys = [*CASE, "seed", "epoch", "layer"]
        table = change.merge(self.clean[[*keys, "lower", "upper"]], on=keys, suffixes=("", "_clean"))
        least = np.maximum(np.maximum(table["lower"], -table["upper"]), 0.0)
        with np.errstate(divide="ignore", invalid="ignore"):
            ends = table["lower_clean"].clip(lower=0.0), table["upper_clean"]
            fall, rise = (table[end] / ends[0].where(outwards(table[end]), ends[1])
                          for end, outwards in (("lower", lambda x: x < 0), ("upper", lambda x: x > 0)))  # fmt: skip
            low = (least / ends[1]).fillna(0.0)  # where there is no information, there is none to change
        fall, rise = fall.clip(lower=-1.0).fillna(0.0), rise.fillna(0.0)  # nothing loses more than it holds
        sign = np.where(table["lower"] > 0, 1, np.where(table["upper"] < 0, -1, 0))
        return table.assign(low=low, high=np.maximum(-fall, rise), sign=sign, fall=fall, rise=rise)

    @cached_property
    def clean(self) -> pd.DataFrame:
        """The brackets under the reference law."""
        table = self.arranged.final(self.arranged.information)
        return table[table["shift"] == "reference"]

    @cached_property
    def held(self) -> pd.DataFrame:
        """Every change with its smallest bound, as a share of it from `low` to `high`, as measured in the channel that
        this bound speaks of."""
        bounds = self.arranged.tables.bounds
        bounds = self.arranged.final(bounds[(bounds["concerns"] == "deviation") & (bounds["size"] > 0)])
        bounds = bounds[bounds["holds"].eq(True)].sort_values([*ESTIMATE, "bound", "theorem"])
        bounds = bounds.drop_duplicates(ESTIMATE)
        half = WIDTH * bounds["measured_stderr"]
        bound = bounds["bound"].where(bounds["bound"] > 0)  # of 0 there is no share
        low, high = ((bounds["measured"] + sign * half) / bound for sign in (-1, 1))
        return bounds.assign(low=low.clip(lower=0.0), high=high.clip(upper=1.0))

    @cached_property
    def _clear(self) -> pd.DataFrame:
        return self.held[self.held["low"] > 0]

    @cached_property
    def _limited(self) -> pd.DataFrame:
        """The clear changes whose smallest bound says something."""
        return self._clear[~self._clear["vacuous"]]

    @cached_property
    def _phases(self) -> pd.DataFrame:
        return phases(self.arranged)

    @property
    def followed(self) -> bool:
        """Whether any network was measured at several epochs."""
        return self.arranged.followed(self.arranged.cases)

    @cached_property
    def _full(self) -> dict[str, tuple[list[int], list[int], list[int]]]:
        """Of every case, by its slug: layers that are saturated in every seed; whose bracket reaches into saturation in
        some; and others that are too wide to be measured whole."""
        found = {}
        wide = self.arranged.final(self.arranged.wide)
        for case in self.arranged.cases:
            full = SATURATED * self.arranged.reference_of(case)["entropy"]
            held = case.of(self.clean).groupby("layer")[["lower", "upper"]].agg({"lower": "min", "upper": "max"})
            saturated, near = ([int(k) for k in held.index[held[end] > full]] for end in ("lower", "upper"))
            others = {int(layer) for layer in case.of(wide)["layer"]} - set(saturated)
            found[case.slug] = (saturated, near, sorted(others))
        return found

    def saturated(self, case: Case) -> list[int]:
        """Layers that hold nearly all of H(X) under the reference law, in every seed."""
        return self._full[case.slug][0]

    def _near(self, case: Case) -> list[int]:
        """Layers whose bracket reaches into saturation: what they hold can hardly rise."""
        return self._full[case.slug][1]

    def wide(self, case: Case) -> list[int]:
        """Layers too wide to be measured as a whole, that are not saturated."""
        return self._full[case.slug][2]

    @cached_property
    def _layers(self) -> dict[str, list[int]]:
        return {case.slug: self.arranged.layers_of(case) for case in self.arranged.cases}

    def judged(self, case: Case) -> list[int]:
        """The layers whose reactions are compared."""
        left_out = {*self.saturated(case), *self.wide(case)}
        return [layer for layer in self._layers[case.slug] if layer not in left_out]

    def all_saturated(self, case: Case) -> bool:
        """Whether there is no other layer."""
        return set(self.saturated(case)) == set(self._layers[case.slug])

    @cached_property
    def reactions(self) -> dict[str, list[Reaction]]:
        """Of every case, by its slug: to each family of which anything was measured."""
        found: dict[str, list[Reaction]] = {}
        for case in self.arranged.cases:
            here, judged = case.of(self.shares), self.judged(case)
            found[case.slug] = [
                _reaction(family, metric, rows, judged)
                for family, metric in self.arranged.families.items()
                if len(rows := here[here["shift"] == family])
            ]
        return found

    def sentences(self, case: Case) -> list[str]:
        """The verdict on one case."""
        said = [*self._not_ranked(case), *self._robust(case), *self._tight(case), *self._silent(case)]
        return [*said, *self._labels(case), *self._trained(case)]

    def _robust(self, case: Case) -> Iterator[str]:
        reactions = [reaction for reaction in self.reactions[case.slug] if len(reaction.shares)]
        ranked = [reaction for reaction in reactions if len(reaction.shares) > 1]
        moved = [reaction for reaction in ranked if reaction.moved]
        near = set(self._near(case))
        others = bool({*self.saturated(case), *self.wide(case)})  # are left out, as was said
        for role, which in ROLES.items():
            laws: dict[int, list[str]] = {}
            for reaction in moved:
                layer = getattr(reaction, which).layer
                if layer is not None:
                    laws.setdefault(layer, []).append(f"{_law(reaction)} ({_share(reaction, layer)})")
            parts = [
                f"layer {layer}{' (close to saturation)' if layer in near else ''} under {listed(under)}"
                for layer, under in laws.items()
            ]
            if parts:
                yield f"{role}{' of the others' * others}: {'; '.join(parts)}."
        open_ = _undecided(moved)
        if open_:
            yield f"Not decided: {'; '.join(open_)}."
        still = [_law(reaction) for reaction in ranked if not reaction.moved]
        if still:
            yield f"No {'other ' * others}layer changes beyond its brackets under {listed(still)}."
        alone: dict[int, list[Reaction]] = {}
        for reaction in reactions:
            if len(reaction.shares) == 1:
                alone.setdefault(int(reaction.shares.index[0]), []).append(reaction)
        for layer, mine in alone.items():
            where = "" if len(mine) == len(reactions) else f" under {listed(title(each.family) for each in mine)}"
            says = [f"{_share(reaction, layer)} under {_law(reaction)}" for reaction in mine if reaction.moved]
            alike = [_law(reaction) for reaction in mine if not reaction.moved]
            changes = listed(says + [f"does not change beyond its bracket under {listed(alike, 'or')}"] * bool(alike))
            yield f"Only layer {layer} can be judged{where}: it {changes}."

    def _not_ranked(self, case: Case) -> Iterator[str]:
        saturated, wide = self.saturated(case), self.wide(case)
        shifted = bool(self.reactions[case.slug])
        if saturated and self.all_saturated(case):
            yield (
                "Every layer is saturated: it holds nearly all of H(X), which says only that hardly any two inputs "
                f"overlap{', so that no layer can be called robust' if shifted else ''}."
            )
        elif saturated:
            yield (
                f"{_layers(saturated).capitalize()} {'is' if len(saturated) == 1 else 'are'} saturated (above "
                f"{100 * SATURATED:g} % of H(X): hardly any two inputs overlap)"
                f"{' and not ranked' if shifted else ''}."
            )
        if wide and shifted:
            yield (
                f"{_layers(wide).capitalize()} {'is' if len(wide) == 1 else 'are'} too wide to be measured as a whole, "
                "and not ranked."
            )

    def _tight(self, case: Case) -> Iterator[str]:
        broken = len(case.of(self.arranged.violated))
        if broken:
            yield f"{_broken(broken)}: an estimate, a distance or the code is wrong."
        if not len(case.of(self.arranged.audit)):
            return
        left_out = self.saturated(case)
        clear, table = (rows[~rows["layer"].isin(left_out)] for rows in map(case.of, (self._clear, self._limited)))
        scope = " outside the saturated layers" if left_out else ""
        if self.all_saturated(case):
            yield "How tight the bounds are stays open."
            return
        if table.empty:
            none = "has a bound that is not vacuous" if len(clear) else "goes beyond its bracket"
            yield f"No {'clear ' * bool(len(clear))}change{scope} {none}: how tight the bounds are stays open."
            return
        most = table.loc[table["low"].idxmax()]
        where = (
            f"(layer {most['layer']} under {at_size(most['shift'], most['size'], most['metric'])}, by "
            f"“{named(most['theorem']).label}”)"
        )
        if len(table) == 1:
            yield f"One clear change{scope} has a bound that is not vacuous, and is {_median(table)} of it {where}."
            return
        yield (
            f"A clear change{scope} is {_median(table)} of its smallest bound in the median, and at least "
            f"{_at_least(most['low'])} in the tightest case {where}."
        )

    def _silent(self, case: Case) -> Iterator[str]:
        audit = case.of(self.arranged.audit)
        if audit.empty:
            return
        silent = audit[audit["vacuous"]]
        if silent.empty:
            yield "Every change has a bound that is not vacuous."
        elif len(silent) == len(audit):
            yield f"All bounds on all {len(audit)} changes are vacuous."
        else:
            counts, every = silent.groupby("shift", sort=False).size(), audit.groupby("shift").size()
            whole = [title(str(family)) for family, n in counts.items() if n == every[family]]
            parts = [f"all under {listed(whole)}"] if whole else []
            parts += [f"{n} of {every[k]} under {title(str(k))}" for k, n in counts.items() if n < every[k]]
            yield f"Every bound is vacuous for {len(silent)} of {len(audit)} changes: {'; '.join(parts)}."

    def _labels(self, case: Case) -> Iterator[str]:
        table = self.arranged.tables.bounds
        table = case.of(self.arranged.final(table[(table["concerns"] == "label") & (table["size"] > 0)]))
        best = table[table["holds"].eq(True)].sort_values("bound").drop_duplicates(ESTIMATE, keep="last")
        if best.empty:
            return
        useful = best[~best["vacuous"]]
        if useful.empty:
            where = f"any of {len(best)} cases (laws and seeds)" if len(best) > 1 else "the one case"
            yield f"The losses on clean inputs certify nothing of I(T; Y) in {where}."
            return
        yield (
            f"The losses on clean inputs certify a positive I(T; Y) of the last layer in {_of(len(useful), len(best))} "
            f"cases (laws and seeds): {_nats(useful['bound'].min(), useful['bound'].max())}."
        )

    def _trained(self, case: Case) -> Iterator[str]:
        epochs = sorted(case.of(self.arranged.information)["epoch"].unique())
        given = "" if self._is_trained(case) else "The network was given and not trained here"
        if len(epochs) < LEAST:
            if given:
                yield f"{given}."
            elif epochs:
                few = "one epoch was" if len(epochs) == 1 else "two epochs were"
                yield f"Training was not followed: only {few} measured."
            return
        found = case.of(self._phases)
        groups: dict[str, list[int]] = {}
        for layer, mine in found.groupby("layer"):
            groups.setdefault(verdict(mine), []).append(int(layer))
        parts = [_phase_words(found, words, layers) for words in PHASES if (layers := groups.get(words))]
        start = f"{given}; over its epochs" if given else "Training, over epochs"
        if parts:
            every = " in every seed" if found["seed"].nunique() > 1 else ""
            yield f"{start} {epochs[0]} to {epochs[-1]}{every}: {'; '.join(parts)}."

    def _is_trained(self, case: Case) -> bool:
        config = self.arranged.tables.config
        kinds = {kind.get("name"): kind for kind in config.get("networks") or []}
        kind = kinds.get(case.network) or config.get("network") or {}
        return config.get("training", {}) is not None and kind.get("training", {}) is not None

    @cached_property
    def headline(self) -> str:
        """One sentence for the whole sweep, what matters most first."""
        return shortened([*self._alarms(), *self._overall()]) or "Nothing was measured."

    def _alarms(self) -> Iterator[str]:
        broken = len(self.arranged.violated)
        if broken:
            yield _broken(broken)
        table = self.arranged.tables.information
        states = table.loc[table["layer"] > 0, [*ESTIMATE, "status"]].drop_duplicates()
        failed = int((states["status"] != "ok").sum())
        if failed:
            yield f"{failed} of {len(states)} estimates failed"

    def _overall(self) -> Iterator[str]:
        cases, audit = self.arranged.cases, self.arranged.audit
        reactions = [each for case in cases for each in self.reactions[case.slug] if len(each.shares)]
        ranked = [each for each in reactions if len(each.shares) > 1]
        if ranked:
            yield _tally(ranked, "least", "the most robust", len(cases))
        if reactions:
            yield self._largest()
        elif len(self.clean) and all(map(self.all_saturated, cases)):
            yield "every layer is saturated"
        if len(audit):
            table = pd.concat([
                rows[~rows["layer"].isin(self.saturated(case))] for case in cases for rows in [case.of(self._limited)]
            ])  # fmt: skip
            if len(table):
                yield f"clear changes are {_median(table)} of their bounds (median)"
            silent = int(audit["vacuous"].sum())
            yield (
                "all bounds are vacuous" if silent == len(audit)
                else f"{silent} of {len(audit)} changes have vacuous bounds only" if silent
                else "every change has a bound that is not vacuous"
            )  # fmt: skip
        networks = len(self._phases.drop_duplicates([*CASE, "seed"]))
        lost = [
            int(layer)
            for layer, mine in self._phases.groupby("layer")
            if len(mine) == networks and (mine["lost_low"] > 0).all()
        ]
        if lost:
            where = " in every network" if networks > 1 else ""
            yield f"{_layers(lost)} compress{'es' * (len(lost) == 1)} over training{where}"
        elif networks and (self._phases["lost_low"] <= 0).all():
            yield "no layer compresses beyond its brackets"
        if not reactions and len(self.clean):
            yield _held(self.clean) if len(cases) == 1 else f"{len(cases)} networks and noise levels were measured"

    def _largest(self) -> str:
        """The largest change that is certain, of layers that are not saturated."""
        cases = self.arranged.cases
        found = [(each.shares["low"].max(), case, each) for case in cases for each in self.reactions[case.slug]
                 if each.moved]  # fmt: skip
        if not found:
            others = any(self.saturated(case) or self.wide(case) for case in cases)
            return f"no {'other ' * others}layer changes beyond its brackets"
        low, case, most = max(found, key=lambda pair: pair[0])
        layer = int(most.shares["low"].idxmax())
        what = {1: "gains", -1: "loses"}.get(int(most.shares["sign"][layer]), "changes by")
        where = f" ({case.label})" if len(cases) > 1 else ""
        return f"layer {layer} {what} at least {_at_least(low)} under {title(most.family)}{where}"


def _reaction(family: str, metric: str, rows: pd.DataFrame, judged: list[int]) -> Reaction:
    """Of the rows of one case and family; a seed of which a layer failed is left out."""
    numbers = zip(rows["seed"], rows["layer"], rows["low"], rows["high"], rows["sign"], strict=True)
    cells = {(seed, layer): values for seed, layer, *values in numbers if layer in judged}
    layers = [layer for layer in judged if any(layer == known for _, known in cells)]
    seeds = [seed for seed in sorted({seed for seed, _ in cells}) if all((seed, layer) in cells for layer in layers)]
    table = np.array([[cells[seed, layer] for layer in layers] for seed in seeds], float).reshape(
        len(seeds), len(layers), 3
    )
    low, high, sign = (table[..., k] for k in range(3))
    size, open_ = float(rows["size"].max()), Answer(None, ())
    if not seeds:
        return Reaction(family, size, metric, pd.DataFrame(columns=["low", "high", "sign"]), 0, open_, open_)
    signs = np.where((sign == sign[0]).all(axis=0), sign[0], 0)
    shares = pd.DataFrame({"low": low.mean(axis=0), "high": high.mean(axis=0), "sign": signs}, layers)
    if len(layers) < 2:
        return Reaction(family, size, metric, shares, len(seeds), open_, open_)
    most = _lowest(-high, -low, layers) if (shares["low"] > 0).any() else open_
    return Reaction(family, size, metric, shares, len(seeds), _lowest(low, high, layers), most)


def _lowest(low: np.ndarray, high: np.ndarray, layers: Sequence[int]) -> Answer:
    """The layer with the smallest mean over seeds of what lies from `low` to `high` (seeds, layers)."""
    among = np.flatnonzero(low.mean(axis=0) <= high.mean(axis=0).min())
    if len(among) > 1:
        return Answer(None, tuple(layers[int(k)] for k in among))
    least = int(among[0])
    rivals = np.flatnonzero((high < low[:, [least]]).any(axis=0))
    if len(rivals):
        return Answer(None, tuple(sorted(layers[int(k)] for k in {least, *rivals})), seeds=True)
    return Answer(layers[least], (layers[least],))


def _undecided(reactions: Sequence[Reaction]) -> list[str]:
    """ "which of layers 3 and 4 is the most affected under blur and tilt"; both questions in one where the same layers
    are left of both."""
    families: dict[tuple[str, Answer], list[str]] = {}
    for reaction in reactions:
        open_ = {role: answer for role, which in ROLES.items() if (answer := getattr(reaction, which)).layer is None}
        same = len(open_) == len(ROLES) and len(set(open_.values())) == 1
        for role, answer in open_.items():
            words = "the most robust, and which the most affected" if same else f"the {role.lower()}"
            names = families.setdefault((words, answer), [])
            names.extend([title(reaction.family)] * (title(reaction.family) not in names))
    return [
        f"which of {_layers(answer.among)} is {role}, under {listed(names)}{', where seeds differ' * answer.seeds}"
        for (role, answer), names in families.items()
    ]


def _law(reaction: Reaction) -> str:
    return at_size(reaction.family, reaction.size, reaction.metric)


def _share(reaction: Reaction, layer: int) -> str:
    """ "loses 1.0 to 1.2 %", where every seed says so; "changes by ..."."""
    row = reaction.shares.loc[layer]
    verb = {1: "gains", -1: "loses"}.get(int(row["sign"]), "changes by")
    return f"{verb} {_percents(row['low'], row['high'])}"


def _tally(reactions: Sequence[Reaction], which: str, name: str, cases: int) -> str:
    """In how many families one layer is the most robust, where any is."""
    found = pd.Series([getattr(each, which).layer for each in reactions], dtype=object).dropna()
    scope, n = "families" if cases == 1 else "comparisons", len(reactions)
    if n == 1:
        family = title(reactions[0].family)
        return f"layer {found.iloc[0]} is {name} under {family}" if len(found) else f"under {family} no layer is {name}"
    counts = found.value_counts()
    best = min(counts.index[counts == counts.max()]) if len(counts) else None
    if best is None:
        return f"{name} layer is not decided in any of {n} {scope}"
    if 2 * counts[best] <= n:
        return f"{name} layer is decided in {len(found)} of {n} {scope} ({_layers(sorted(counts.index))})"
    return f"layer {best} is {name} in {_of(int(counts[best]), n)} {scope}"


def _held(clean: pd.DataFrame) -> str:
    """What the first and the last layer hold."""
    ends, seeds = clean.groupby("layer").agg(low=("lower", "min"), high=("upper", "max")), clean["seed"].nunique()
    first, last = ends.iloc[0], ends.iloc[-1]
    over = f" over {seeds} seeds" if seeds > 1 else ""
    if len(ends) == 1:
        return f"layer {ends.index[0]} holds {_nats(first['low'], first['high'])} of information about the input{over}"
    return (
        f"I(X; T) is {_nats(first['low'], first['high'])} in layer {ends.index[0]} and "
        f"{_nats(last['low'], last['high'])} in layer {ends.index[-1]}{over}"
    )


def _phase_words(found: pd.DataFrame, words: str, layers: list[int]) -> str:
    """ "layers 4 and 5 rise, then compress (by at least 0.845 and 2.026 nats)"."""
    one, many, end = PHASES[words]
    said = f"{_layers(layers)} {one if len(layers) == 1 else many}"
    if not end:
        return said
    least = found[found["layer"].isin(layers)].groupby("layer")[end].min()
    some = f", in some seeds then compress{'es' * (len(layers) == 1)}" if "in some seeds" in words else ""
    return f"{said} (by at least {listed(down(float(value)) for value in least)} nats){some}"


def _layers(layers: Sequence[int]) -> str:
    """ "layer 2", "layers 2 and 4", "layers 2 to 5"."""
    run = len(layers) > 2 and list(layers) == list(range(layers[0], layers[-1] + 1))
    return f"layer{'s' * (len(layers) > 1)} {f'{layers[0]} to {layers[-1]}' if run else listed(layers)}"


def _median(table: pd.DataFrame) -> str:
    """Between what the median of shares lies that are known from `low` to `high`."""
    return _percents(table["low"].median(), table["high"].median())


def _broken(n: int) -> str:
    return f"{n} bound{'s are' if n > 1 else ' is'} violated"


def _of(n: int, every: int) -> str:
    return f"{n} of {every}" if n < every or n == 1 else "both" if n == 2 else f"all {every}"


def _nats(low: float, high: float) -> str:
    """ "0.0648 to 0.511 nats": ends are rounded outwards, so that what lies between them still does."""
    return f"{' to '.join(dict.fromkeys((down(low), up(high))))} nats"


def _at_least(share: float) -> str:
    return f"{down(100 * share, 2)} %"


def _percents(low: float, high: float) -> str:
    """ "1.0 to 1.2 %", "12 %", "at most 3.0 %", "at least 40 %", rounded outwards."""
    if math.isinf(high):
        return f"at least {_at_least(low)}" if low > 0 else "an unknown share"
    if low <= 0 < high:
        return f"at most {up(100 * high, 2)} %"
    return f"{' to '.join(dict.fromkeys((down(100 * low, 2), up(100 * high, 2))))} %"


def bullets(verdicts: Verdict) -> list[tuple[str, list[str]]]:
    """Each case with its sentences."""
    return [(case.label, said) for case in verdicts.arranged.cases if (said := verdicts.sentences(case))]
