"""Every page that people open, in a headless Chromium: readable on a phone, in the dark and by a screen reader."""

import shutil
import socket
from itertools import product

import pytest
from small_calibration import run_small
from synthetic_sweep import FAMILIES, synthetic_tables
from tiny import tiny

from flows.execution.mirror import mirror
from flows.execution.plan import build_plan
from tasks.page.gallery import Entry, write_gallery
from tasks.page.provenance import Provenance, filled
from tasks.reproduction.figures import clean, curves_in_words, information_curves
from tasks.reproduction.page import write_reproduction
from tasks.reproduction.reading import sweep
from tasks.reproduction.reproduction import Claim, Plate, Reproduction
from tasks.store.store import Store
from tasks.sweep.report.report import write_report
from tasks.sweep.tables import write_tables
from tasks.tracking.ui import serve_ui

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright")
axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="needs axe-playwright-python")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium, chromium-browser or google-chrome is installed"),
]

# Nothing of the browser's own is asked of the network; in containers it has no sandbox.
QUIET = (
    *("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"),
    *("--disable-sync", "--no-first-run"),
)
SIGNED_IN = "/mlflow/users/current"  # MLflow's page asks who is; without its own sign-in its server has no such page
LOOKS = list(product((360, 1280), ("light", "dark")))
WORD = "a_name_as_long_as_a_path_without_a_single_space_" * 3
FEW = {name: FAMILIES[name] for name in ("contamination", "gaussian_displacement")}
FROM = Provenance("2026-11-27 06:28 UTC", "0.1.0", "cd2a551" * 5, f"ibshift run {WORD} --set x=1", "Linux, 2 cores")


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=CHROMIUM, args=list(QUIET))
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """A page of each kind by its name: sweep, calibration, reproduction and gallery."""
    workspace = tmp_path_factory.mktemp("pages")
    folder = workspace / "sweeps" / "szt"
    tables = synthetic_tables(betas=(0.1,), seeds=(0, 1, 2), epochs=(1, 100), families=FEW)
    bounds = tables.bounds
    bounds.loc[bounds.index[0], ["holds", "slack"]] = [False, -0.5]  # an alarm is shown as well
    folder.mkdir(parents=True)
    write_tables(tables, folder)
    write_report(tables, folder)
    page = folder / "report.html"
    page.write_text(filled(page.read_text(), FROM))
    calibrated = run_small(workspace / "calibration").folder / "report.html"

    def plates(results):
        found = sweep(results["szt"])
        yield Plate("a", "Curves", "By epoch.", information_curves(found, (1, 5)), curves_in_words(found, (1, 5)),
                    clean("szt"))  # fmt: skip

    claims = [
        Claim(f"It rises: {WORD}.", "Somebody, 2018", "0.98", "0.97 to 0.99", verdict) for verdict in (True, None)
    ]
    study = Reproduction("does it rise?", "Somebody, 2018", ("szt",), lambda _: claims, plates, (f"Ours is {WORD}.",))
    repeated = workspace / "reproductions" / "rise"
    write_reproduction("rise", study, {"szt": folder}, repeated, f"ibshift reproduce {WORD}", False, FROM)
    entries = [
        Entry("sweep", "szt", "11111111", "2026-11-01", headline="It rose.", report=page),
        Entry("sweep", "szt", "22222222", "2026-11-02", {WORD: WORD}, WORD, page),
        Entry("reproduction", WORD, report=repeated / "report.html"),
        Entry("sweep", "not yet"),
    ]
    return {
        "sweep": page,
        "calibration": calibrated,
        "reproduction": repeated / "report.html",
        "gallery": write_gallery(workspace, entries, FROM),
    }


@pytest.fixture
def look(browser):
    """Open an address in a window of this width and preference; the page, and what it complained of or asked for."""
    opened = []

    def opens(address: str, width: int, scheme: str):
        window = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme)
        opened.append(window)
        page = window.new_page()
        heard: list[str] = []
        page.on(
            "console",
            lambda said: heard.append(f"{said.text} {said.location.get('url')}") if said.type == "error" else None,
        )
        page.on("pageerror", lambda error: heard.append(str(error)))
        page.on("request", lambda asked: heard.append(asked.url) if _is_outside(asked.url) else None)
        page.goto(address, wait_until="load")
        page.evaluate("document.querySelectorAll('details').forEach(part => part.open = true)")
        return page, heard

    yield opens
    for window in opened:
        window.close()


def _is_outside(url: str) -> bool:
    return not url.startswith(("file:", "data:", "blob:", "http://127.0.0.1:"))


@pytest.mark.parametrize("name", ["sweep", "calibration", "reproduction", "gallery"])
@pytest.mark.parametrize(("width", "scheme"), LOOKS)
def test_a_page_fits_its_window_and_asks_nobody(pages, look, name, width, scheme):
    page, heard = look(pages[name].as_uri(), width, scheme)
    assert not heard
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate("[...document.images].every(each => each.complete && each.naturalWidth > 0)")


@pytest.mark.parametrize("name", ["sweep", "calibration", "reproduction", "gallery"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_page_has_no_serious_fault_for_those_who_do_not_see_it(pages, look, name, scheme):
    page, _ = look(pages[name].as_uri(), 1280, scheme)
    found = axe.Axe().run(page).response["violations"]
    assert not [
        f"{each['id']}: {each['help']}: {each['nodes'][0]['html'][:200]}"
        for each in found
        if each["impact"] in ("serious", "critical")
    ]


def test_every_figure_says_what_it_shows_and_every_link_to_numbers_leads_to_them(pages, look):
    for name in ("sweep", "calibration", "reproduction"):
        page, _ = look(pages[name].as_uri(), 1280, "light")
        texts = page.evaluate("[...document.querySelectorAll('figure img')].map(each => each.alt)")
        assert texts and all(text.endswith(".") and any(c.isdigit() for c in text) for text in texts), name
        links = page.evaluate("[...document.querySelectorAll('.numbers a')].map(each => each.getAttribute('href'))")
        assert len(links) >= 2 * len(texts)
        assert [link for link in links if not (pages[name].parent / link).exists()] == []


@pytest.fixture(scope="module")
def landing(finished_once, tmp_path_factory):
    """The address of MLflow's landing page of the tiny sweep."""
    workspace = shutil.copytree(finished_once / "workspace", tmp_path_factory.mktemp("tracked") / "workspace")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    mirror(build_plan(tiny()), Store(workspace))
    server = serve_ui(workspace, port)
    yield next(iter(server.studies.values()))
    server.stop()


def _said(heard):
    """What was complained of or asked for, but for what MLflow's own pages always complain of."""
    return [each for each in heard if not each.endswith(SIGNED_IN) and "ResizeObserver loop" not in each]


@pytest.mark.parametrize(("width", "scheme"), LOOKS)
def test_the_landing_page_of_mlflow_can_be_read(landing, look, width, scheme):
    """On a phone too, once MLflow's own panels are closed beside the note and it is unfolded."""
    page, heard = look(landing, width, scheme)
    link = page.get_by_role("link", name="most robust layer", exact=True).first
    link.wait_for(timeout=60_000)
    page.get_by_role("button", name="Close", exact=True).click()
    if width < 1000:
        page.get_by_role("button", name="Toggle sidebar").click()
    note = link.locator("xpath=ancestor::*[count(.//button) = 2][1]")
    note.locator("button").last.click()
    page.get_by_text("What each view answers").wait_for(state="visible")
    narrowest = "each => Math.min(...[...each.querySelectorAll('p, li, td, th')].map(part => part.clientWidth))"
    assert note.evaluate(narrowest) > 60  # px, of a word at least
    assert _said(heard) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize(
    ("question", "drawn"),
    [
        ("most robust layer", "by_layer/relative change"),
        ("shift", "contamination/I_X_T in nats"),
        ("bounds", "contamination/tightness"),
        ("accuracy", "contamination/I_X_T in nats"),
        ("training", "I_T_Y in nats"),
        ("vacuous", "vacuous"),
        ("all cells", "deepest I_X_T vs. acc"),
    ],
)
def test_one_click_on_the_landing_page_of_mlflow_answers_a_question(landing, look, question, drawn):
    page, heard = look(landing, 1500, "light")
    link = page.get_by_role("link", name=question, exact=True).first
    link.wait_for(timeout=60_000)
    answer, more = look(link.evaluate("each => each.href"), 1500, "light")
    answer.get_by_text(drawn, exact=True).first.wait_for(timeout=60_000)
    if question != "vacuous":
        answer.locator(".js-plotly-plot .trace").first.wait_for(timeout=60_000)
    assert _said([*heard, *more]) == []
