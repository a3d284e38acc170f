"""The page of everything in a workspace, and where a page says it comes from."""

import re

from tasks.page.gallery import Entry, write_gallery
from tasks.page.provenance import DETAILS, MADE, Provenance, filled

KNOWN = Provenance("2026-11-27 06:28 UTC", "0.1.0", "cd2a551d0ff0", "ibshift run 'a b' --set x=<1>", "Linux, 2 cores")


def report(workspace, name):
    page = workspace / "sweeps" / name / "report.html"
    page.parent.mkdir(parents=True)
    page.write_text("<!doctype html>")
    return page


def test_variants_of_one_sweep_stand_together_and_the_newest_comes_first(tmp_path):
    entries = [
        Entry("sweep", "old", "11111111", "2026-11-01", report=report(tmp_path, "old")),
        Entry("sweep", "new", "22222222", "2026-11-02", {"a.epochs": "4000"}, "It rose.", report(tmp_path, "a b")),
        Entry("sweep", "old", "33333333", "2026-11-03", headline="It fell."),
    ]
    page = write_gallery(tmp_path, entries).read_text()
    assert re.findall("[123]{8}", page) == ["33333333", "11111111", "22222222"]
    assert re.findall('<a href="(sweeps[^"]*)"', page) == ["sweeps/old/report.html", "sweeps/a%20b/report.html"]
    assert "a.epochs=4000" in page and "It rose." in page and page.count("no report yet") == 1


def test_a_gallery_holds_names_as_text_and_never_as_markup(tmp_path):
    hostile = "<script>alert(1)</script>"
    page = write_gallery(tmp_path, [Entry("sweep", hostile, differs={hostile: hostile}, headline=hostile)]).read_text()
    assert hostile not in page and page.count("&lt;script&gt;") >= 3


def test_an_empty_workspace_has_a_page_too(tmp_path):
    assert "Nothing has been run" in write_gallery(tmp_path, []).read_text()


def test_a_page_says_once_when_where_and_by_which_command_it_was_made():
    page = filled(f"<p>{MADE}</p><footer>{DETAILS}</footer>", KNOWN)
    assert "2026-11-27 06:28 UTC · ibshift 0.1.0 · commit cd2a551d0ff0" in page
    assert "ibshift run &#39;a b&#39; --set x=&lt;1&gt;" in page and "Linux, 2 cores" in page
    assert filled(page, Provenance(date="never")) == page  # nothing is left to fill in


def test_what_is_not_known_is_left_out():
    assert filled(f"<p>{MADE}</p>{DETAILS}", Provenance()) == "<p></p>"
    assert "machine" not in filled(f"{MADE}{DETAILS}", Provenance(command="ibshift run szt"))
