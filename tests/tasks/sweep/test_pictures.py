"""The report shows what a shift does to images: the same atoms under every law, exactly as the laws have them."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from synthetic_sweep import synthetic_tables
from test_report import only, report

from ib_core.laws.family import shifted
from ib_core.laws.input_law import InputLaw
from tasks.store.laws import write_law
from tasks.sweep.examples import PIXELS, examples_table, picture
from tasks.sweep.report.arranged import Arranged
from tasks.sweep.report.example_figures import examples
from tasks.sweep.schema import shaped

RNG = np.random.default_rng(0)
SHAPE = (9, 9)


def images(n=6, shape=SHAPE):
    """Images of three classes, the atoms of class 0 after the others."""
    atoms = RNG.random((n, int(np.prod(shape))))
    return InputLaw(atoms, np.full(n, 1 / n), np.arange(n)[::-1] % 3, shape)


def table_of(reference, folder, **laws):
    """The examples of the reference and of laws by family at one size."""
    stored = {"reference": SimpleNamespace(kind="reference", law=reference)}
    for family, size in laws.items():
        law = shifted(family, reference, size).law
        kind = "reweighted" if np.array_equal(law.atoms, reference.atoms) else "moved"
        stored[family] = SimpleNamespace(kind=kind, law=law)
    places = {}
    for name, each in stored.items():
        path = folder / f"{name}.parquet"
        write_law(path, each.law)
        each.part, each.shape = SimpleNamespace(name="test"), reference.shape
        each.file = lambda _, path=path: path
        places[name] = {"split": "test", "shift": name, "size": laws.get(name, 0.0), "metric": "none"}
    return examples_table(stored, places, {"test": reference})


def shown(table, shift, label):
    row = table[(table["shift"] == shift) & (table["label"] == label)].iloc[0]
    return np.reshape(row["pixels"], [int(n) for n in row["shape"]])


def test_the_picture_of_a_quarter_turn_is_the_original_turned(tmp_path):
    reference = images()
    table = table_of(reference, tmp_path, rotation=90.0)
    atoms = table.groupby("label")["atom"].unique()
    for label in range(3):
        (atom,) = atoms[label]  # the same one under both laws
        assert reference.labels[atom] == label
        original = reference.atoms[atom].reshape(SHAPE)
        assert shown(table, "reference", label) == pytest.approx(original, abs=1e-6)
        assert shown(table, "rotation", label) == pytest.approx(np.rot90(original), abs=1e-6)


def test_a_reweighting_has_probabilities_of_classes_and_no_pictures(tmp_path):
    table = table_of(images(), tmp_path, class_prior=0.25)
    table = table[table["shift"] == "class_prior"].set_index("label")
    assert table["share"].to_dict() == pytest.approx({0: 1 / 3 - 0.125, 1: 1 / 3 + 0.25, 2: 1 / 3 - 0.125})
    assert table["pixels"].isna().all()


@pytest.mark.parametrize(("shape", "there"), [((1, 9, 9), True), ((3, 9, 9), True), ((81,), False), ((9, 3, 3), False)])
def test_images_are_known_by_their_shape(shape, there, tmp_path):
    table = table_of(images(shape=shape), tmp_path)
    assert table["pixels"].notna().all() == there


def test_a_large_picture_is_the_means_of_its_blocks():
    image = RNG.random((3, 2 * PIXELS, 2 * PIXELS - 1))
    small = picture(image)
    assert small.shape == (3, PIXELS, PIXELS)
    assert small[1, 3, 5] == pytest.approx(image[1, 6:8, 10:12].mean(), rel=1e-6)
    assert small[2, 0, -1] == pytest.approx(image[2, :2, -1].mean(), rel=1e-6)  # the last block is narrower


@pytest.fixture(scope="module")
def pictured():
    """A sweep of images in two parts: pictures for the moved law, probabilities for the other."""
    tables = synthetic_tables(betas=(0.1,), seeds=(0, 1), epochs=(1000,))
    tables = only(tables, layer=[0, 1, 3], shift=["reference", "contamination", "gaussian_displacement"])
    rows = [
        {"law": law["law"], "split": "all", "shift": law["shift"], "size": law["size"], "metric": law["metric"]}
        | {"label": label, "share": 0.5 + (label - 0.5) * law["tv"], "atom": label, "shape": [3, 4, 4]}
        | {"pixels": None if law["kind"] == "reweighted" else (RNG.random(48) + law["w2"]).tolist()}
        for law in tables.laws.to_dict("records")
        for label in (0, 1)
    ]
    return replace(tables, examples=shaped("examples", rows))


def test_every_family_of_shifts_of_images_has_a_figure(pictured, tmp_path, monkeypatch):
    monkeypatch.setattr("tasks.page.figure_style.DPI", 40)
    page = report(pictured, tmp_path)
    drawn = {path.stem for path in (tmp_path / "figures").glob("examples_*")}
    assert drawn == {"examples_contamination", "examples_gaussian_displacement"}
    assert "The first input of each class" in page.text


def test_a_figure_says_size_distances_and_accuracy_of_each_law(pictured):
    arranged = Arranged(pictured)
    figure = examples(arranged, "contamination")
    FigureCanvasAgg(figure).draw()
    said = {text.get_text() for text in figure.texts} | {text.get_text() for axes in figure.axes for text in axes.texts}
    table = pictured.information
    accuracy = table[(table["quantity"] == "accuracy") & (table["shift"] == "contamination") & (table["size"] == 0.2)]
    assert f"{100 * accuracy['value'].mean():.1f} % correct, β = 0.1" in said
    assert {"TV 0.2", "W₁ 0.36, W₂ 0.40\nTV 0.200, KL 0.206", "40.0 %", "60.0 %"} <= said
