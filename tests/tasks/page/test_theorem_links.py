"""Every theorem that a page names has an entry there, and its name leads to it."""

import re

import pytest
from synthetic_sweep import synthetic_tables

from ib_core.bounds.theorems import THEOREMS, among
from ib_core.bounds.theorems_page import typeset
from tasks.page.theorems import link, with_mentioned
from tasks.sweep.report.report import write_report

NAMES = tuple((theorem.label, theorem.name) for theorem in THEOREMS)


def test_the_longest_label_is_linked_and_the_rest_is_text():
    text = link("<b> bound on the bias, known number of atoms; TV: ε C + H(ε), not KL: ε* C + H(ε*)x", NAMES)
    assert re.findall(r'href="#theorem-(\w+)"', text) == ["entropy_bias_atoms", "tv_capacity"]
    assert text.startswith("&lt;b&gt; ") and re.sub(r"</?a[^>]*>", "", text).endswith("not KL: ε* C + H(ε*)x")
    assert link("a & b", ()) == "a &amp; b"


@pytest.mark.parametrize("theorem", THEOREMS, ids=lambda theorem: theorem.name)
def test_statements_are_typeset_whole(theorem):
    for text in (typeset(theorem.statement), typeset(theorem.hypotheses), typeset(theorem.source)):
        assert not re.search(r"[_^]\{|`", text) and text.count("<sub>") == text.count("</sub>")
        assert not re.search(r"<[^>/a-z]", text)


def test_what_an_entry_mentions_has_an_entry():
    assert {theorem.name for theorem in with_mentioned(among(["tv_directional_measured"]))} == {
        *("tv_directional_measured", "tv_directional")
    }


def test_every_link_of_a_report_leads_somewhere(tmp_path, monkeypatch):
    monkeypatch.setattr("tasks.page.figure_style.DPI", 20)
    families = {"contamination": ("tv", (0.0, 0.1)), "gaussian_displacement": ("w2", (0.0, 0.2))}
    tables = synthetic_tables(betas=(0.1,), seeds=(0,), epochs=(1000,), families=families)
    write_report(tables, tmp_path)
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    ids = re.findall(r'id="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    assert {address for address in re.findall(r'href="#([^"]*)"', page)} <= set(ids)
    body = re.sub(
        r'<div class="theorem".*?</div>|<title>.*?</title>|aria-label="[^"]*"|alt="[^"]*"', "", page, flags=re.S
    )
    for theorem in among(tables.bounds["theorem"]):
        assert f'id="theorem-{theorem.name}"' in page
        label = re.escape(theorem.label)
        unlinked = re.findall(rf"(?<!\w)(?<!\">){label}(?!\w)(?!</a>)", body)
        assert not unlinked, theorem.name
    assert "golden formula" in page
