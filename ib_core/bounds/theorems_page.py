"""The table of theorems as a page for people, docs/theorems.md, with the notation that reports share."""

import html
import re
from collections.abc import Iterator

from ib_core.bounds import theorems
from ib_core.bounds.theorem import Theorem

COMPARISONS = {
    "deviation": "The change of the information under a shift",
    "label": "The information about the label under a shift",
    "estimation": "The error of the plug-in under its own law",
    "shifted_estimate": "The error of the plug-in on clean inputs, for the shifted law",
    "entropy": "The entropy of samples (calibration)",
    "bracket": "The information of enumerated inputs (calibration)",
    "sampled": "The information of sampled inputs (calibration)",
}
STANDINGS = {
    "proven": "proven",
    "large enough": "for comparison: it holds for n large enough, and how large is not printed",
    "misprint": "for comparison: a misprint",
}
CHANNELS = {
    "true": "The true channel P_{T|X} of the noisy network",
    "stored passes": "The channel that the stored passes make up",
}
DISTANCES = {"tv": "total variation", "kl": "Kullback-Leibler divergence"}
NOTATION = (
    ("P, P′", "reference law and shifted law of the input: X ~ P, X′ ~ P′. The noisy network is the same under both."),
    ("S_ℓ, T_ℓ", "signal of layer ℓ, and the layer with its noise: T_ℓ = S_ℓ + N(0, β² 1_d)."),
    ("d, β, r", "units of the layer; standard deviation of its noise; half-width of the activation, |S_j| ≤ r."),
    ("ΔI", "I(X′;T_ℓ) − I(X;T_ℓ)."),
    ("N", "number of atoms in the union of the supports of P and P′."),
    ("ε", "TV(P, P′), the total variation."),
    ("κ", "D(P′‖P), the Kullback-Leibler divergence in nats."),
    ("ε*(κ)", "largest total variation at divergence κ: max {p − q : d(p‖q) ≤ κ}, with d(p‖q) the binary divergence."),
    ("W_1, W_2", "Wasserstein distances of P and P′."),
    ("H_b(p)", "binary entropy, −p ln p − (1 − p) ln(1 − p)."),
    (
        "C",
        "smallest capacity of layer ℓ and of the cuts before it. The capacity of one layer is at most "
        "C_d = d min{½ ln(1 + r²/β²), ln(1 + 2r/(β √(2πe)))}. A cut is a layer that no connection bypasses.",
    ),
    (
        "i(x)",
        "D(P_{T|X=x}‖P_T), the pointwise information: what input x contributes to I(X;T_ℓ) = E_P i, on clean inputs.",
    ),
    (
        "golden",
        "said of a bound that follows from the golden formula I(X′;T) = E_{P′} i − D(P′_T‖P_T), in which "
        "0 ≤ D(P′_T‖P_T) ≤ κ. I(X′;T) is therefore at most the largest and, but for the divergence, at least the "
        "smallest E_Q i over the laws Q of a ball: i(x), measured on clean inputs alone, certifies all of them.",
    ),
    (
        "A, B",
        "removed and added mass of a reweighting: P = (1 − ε)R + εA and P′ = (1 − ε)R + εB, A and B on disjoint sets.",
    ),
    ("L, δ", "Lipschitz constant of X → S_ℓ; diameter 2r√d of the box of the signals."),
    ("I_{SP}, n_x", "plug-in of sample propagation: the information of the channel that n_x stored passes make up."),
    ("P_n∗φ", "law of n samples, smoothed by the density φ of the noise; h is the differential entropy."),
    ("b(n), v(n)", "ln(1 + (A_β^d − 1)/n) with A_β = 1 + √(2/π) r/β, and ½ √n H_b(1/n)."),
    ("1_{ℓ≥2}", "1 above the first layer, 0 in it."),
)
_MARK = re.compile(r"([_^])(?:\{([^{}]*)\}|(\w))")


def typeset(text: str, entry: str = "#{}") -> str:
    """Statement or words as HTML: `_x` and `^{xy}` lower and raised, and what stands in backticks as code, a theorem's
    name with a link to its entry.

    Args:
        entry: where the entry of a theorem stands, by its name.

    Example:
        >>> typeset("H_b(ε) ≤ e^{λ i}, as `tv_seed`")
        'H<sub>b</sub>(ε) ≤ e<sup>λ i</sup>, as <a href="#tv_seed"><code>tv_seed</code></a>'
    """
    parts = html.escape(text, quote=False).split("`")
    return "".join(_code(part, entry) if k % 2 else _lifted(part) for k, part in enumerate(parts))


def _lifted(text: str) -> str:
    while _MARK.search(text):  # from the inside out
        text = _MARK.sub(lambda m: "<{0}>{1}</{0}>".format("sub" if m[1] == "_" else "sup", m[2] or m[3] or ""), text)
    return text


def _code(name: str, entry: str) -> str:
    code = f"<code>{name}</code>"
    return f'<a href="{entry.format(name)}">{code}</a>' if theorems.among([name]) else code


def facts(theorem: Theorem) -> Iterator[tuple[str, str]]:
    """What there is to say of a theorem beside its statement: what, and in words."""
    yield "Hypotheses", theorem.hypotheses
    if theorem.concerns != ("entropy",):
        yield "Channel", f"{CHANNELS[theorem.channel]}."
    yield "Source", f"{theorem.source[0].upper()}{theorem.source[1:]}."
    if theorem.standing != "proven":
        yield "Standing", f"{STANDINGS[theorem.standing].capitalize()}."


def page() -> str:
    """The table as a page of Markdown: each theorem under the first comparison that it concerns."""
    lines = [
        "# Theorems",
        "",
        "Made from `ib_core/bounds/theorems/`, the one place where they are named. All information is in nats.",
        "",
        "## Notation",
        "",
        *(f"* **{_marked(symbol)}**: {_marked(meaning)}" for symbol, meaning in NOTATION),
    ]
    for comparison, title in COMPARISONS.items():
        mine = [theorem for theorem in theorems.THEOREMS if theorem.concerns[0] == comparison]
        lines += ["", f"## {title}"] if mine else []
        for theorem in mine:
            lines += ["", f"### `{theorem.name}`", "", _marked(theorem.label)]
            lines += ["", f"> {_marked(theorem.statement)}", ""]
            lines += [f"* {what}: {_marked(words)}" for what, words in (*facts(theorem), *_roles(theorem))]
    return "\n".join(lines) + "\n"


def _marked(text: str) -> str:
    """`typeset` for Markdown, to which an asterisk is not one."""
    return typeset(text).replace("*", r"\*")


def _roles(theorem: Theorem) -> Iterator[tuple[str, str]]:
    if theorem.distance != "none":
        ball = ", also for every law of a ball" if theorem.form else ""
        yield "Distance", f"{DISTANCES.get(theorem.distance, f'{theorem.distance.capitalize()} distance')}{ball}."
    side = "above" if theorem.above else "below"
    yield "Bounds", f"the {'information' if theorem.quantity == 'label' else theorem.quantity} from {side}."
    if len(theorem.concerns) > 1:
        others = (COMPARISONS[each][0].lower() + COMPARISONS[each][1:] for each in theorem.concerns[1:])
        yield "Also held against", f"{'; '.join(others)}."
    if theorem.function is not None:
        yield "Computed by", f"`{theorem.function.__module__}.{theorem.function.__name__}`."
