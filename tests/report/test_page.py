"""The report's page: whole, offline and safe as text; alive, sortable and readable in Chromium."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from report_runs import Opened, edit, page_of, report, spiral, write_run

HOSTILE = """"><img src=x onerror=alert(1)>' onmouseover='x</script><script>alert(2)</script>"""
TEX = "$\\frac{$ $_{$ ${title} &lt;b&gt;<!--"
SIZE_LIMIT = 1_500_000  # bytes, of a page about 60 runs of four datasets


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report on 22 runs of two datasets, one of them with a name that is markup; 4 s."""
    folder = tmp_path_factory.mktemp("runs")
    for tau in (5, 10, 30, 100):
        for seed, score in enumerate((0.1, 0.2, 9.0)):
            write_run(folder, d_stsp=score * tau, d_h=score / 10, tau=tau, seed=seed)
    write_run(folder, d_stsp=8.0, forcing="none", tau=None)
    write_run(folder, "diverged", tau=100, seed=7)
    write_run(folder, d_stsp="infinite", d_h=1.0, dynamics="diverged", tau=30, seed=8)
    for seed in range(3):
        _name_everything(write_run(folder, dataset="hostile", seed=seed, d_stsp=seed + 1.0))
    half = write_run(folder, tau=99)
    (half / "run.json").unlink()
    report(folder)
    return folder


def _name_everything(path: Path) -> None:
    """Make every name in the files of a run markup, or a formula of TeX."""
    for group in ("dataset", "model", "forcing"):
        edit(path, "config.yaml", lambda content, group=group: content[group].update(name=HOSTILE))
    edit(path, "config.yaml", lambda content: content.update(extra={HOSTILE: HOSTILE}))
    edit(path, "run.json", lambda content: content.update({HOSTILE: HOSTILE, "commit": HOSTILE}))
    edit(path, "evaluation.json", lambda content: content.update(dynamics=HOSTILE))
    edit(path, "evaluation.json", lambda c: c["metrics"]["lambda_max"].update(unit=HOSTILE))
    with h5py.File(path / "trajectories.h5", "r+") as file:
        file["variable"][...] = ("x", HOSTILE, TEX)  # type: ignore[index]
        file.attrs["time_unit"] = TEX


@pytest.fixture(scope="module")
def text(folder: Path) -> str:
    return page_of(folder)


class _Elements(HTMLParser):
    """Every element with its attributes, and the text below each kind."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


# --- as text ---------------------------------------------------------------------------------


def test_the_page_asks_for_nothing_from_outside(text: str) -> None:
    for tag, attributes in _Elements(text).elements:
        for name in ("src", "href", "data", "action", "poster", "srcset"):
            value = attributes.get(name)
            inside = value is None or value.startswith(("data:", "#"))
            assert inside, (tag, attributes)
    style = text[text.index("<style>") : text.index("</style>")]
    assert "url(" not in style
    assert "@import" not in style


def test_names_and_settings_are_text(text: str) -> None:
    parsed = _Elements(text)
    assert not parsed.all("img")
    assert len(parsed.all("script")) == 2
    assert not [a for _, a in parsed.elements if any(name.startswith("on") for name in a)]
    assert html.unescape(text).count(HOSTILE) > 20
    stored = re.search(r'<script type="application/json" id="attractors">(.*?)</script>', text)
    assert stored
    attractors = json.loads(stored[1])
    assert len(attractors["runs"]) == 6, "three runs of each dataset"
    assert len(attractors["points"]) == 2, "which have the same points: each is stored once"
    assert "<" not in stored[1]


def test_the_same_runs_are_the_same_page(tmp_path: Path) -> None:
    write_run(tmp_path)
    report(tmp_path)
    first = page_of(tmp_path)
    report(tmp_path)
    assert page_of(tmp_path) == first


def test_every_picture_has_words_and_every_name_is_unique(text: str) -> None:
    parsed = _Elements(text)
    names = [a["id"] for _, a in parsed.elements if "id" in a]
    assert len(names) == len(set(names))
    for attributes in parsed.all("svg"):
        assert attributes.get("aria-label") or attributes.get("aria-hidden") == "true"
    for attributes in parsed.all("th"):
        assert attributes.get("scope") in ("col", "row")
    assert len(parsed.all("h1")) == 1


def test_a_card_has_all_that_a_run_was_measured_by(text: str) -> None:
    for words in ("Best: LSTM", "Median: LSTM", "Worst: LSTM", "Power spectra", "Time series",
                  "Training", "Configuration", "Left out",
                  "half-written: there is no run.json", "sfbptt train dataset=lorenz_paper",
                  "18 runs: 1 in part, 16 not; 1 diverged in training", "best: 0.05 at epoch 20",
                  "Lyapunov times", "share of power", "system"):  # fmt: skip
        assert words in text


def test_the_colours_of_every_picture_are_variables_of_the_page(text: str) -> None:
    defined = set(re.findall(r"(--[\w-]+):", text[: text.index("</style>")]))
    pictures = re.findall(r'<svg class="figure".*?</svg>', text)
    assert len(pictures) == 4 + 6 * 4, "a panel a metric of the dataset with several τ, four a card"
    for picture in pictures:
        assert set(re.findall(r"var\((--[\w-]+)\)", picture)) <= defined
        assert not re.search(r"(fill|stroke): ?#", picture)


def test_a_page_about_four_datasets_is_small(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Trajectories longer than is drawn, of one dataset: a quarter of the runs on a page."""
    import report_runs

    monkeypatch.setattr(report_runs, "spiral", lambda n, phase=0.0: spiral(n, 13_000, phase))
    for seed in range(15):
        write_run(tmp_path, seed=seed)
    assert report(tmp_path).count == "15 runs: 15 in part"
    page = page_of(tmp_path)
    assert 4 * len(page.encode()) < SIZE_LIMIT
    assert page.count("data-attractor=") == 3


# --- in a browser ----------------------------------------------------------------------------


@pytest.fixture
def opened(chromium: Any, folder: Path) -> Iterator[Any]:
    """`opened(color_scheme='dark')` opens the report unfolded; closed after the test."""
    contexts = []

    def open_report(**options: Any) -> Opened:
        contexts.append(Opened(chromium, folder, **options))  # all cards unfolded
        return contexts[-1]

    yield open_report
    for one in contexts:
        one.context.close()


def test_the_page_loads_without_complaints_or_requests(opened: Any, folder: Path) -> None:
    one = opened()
    one.page.wait_for_timeout(300)
    assert one.complaints == []
    outside = [url for url in one.requests if not url.startswith(("data:", "file:"))]
    assert outside == []
    assert len([url for url in one.requests if url.startswith("file:")]) == 1
    # Whoever manages to write a script into the page does not get it run.
    ran = one.page.evaluate(
        """() => { const s = document.createElement('script'); s.textContent = 'window.bad = 1';
        document.body.append(s); return window.bad === undefined; }"""
    )
    assert ran


def test_the_attractor_draws_and_turns_until_it_is_stopped(opened: Any) -> None:
    one = opened()
    canvas = one.page.locator("canvas").first
    canvas.scroll_into_view_if_needed()
    one.page.wait_for_timeout(200)
    before = one.pixels()
    assert np.count_nonzero(before) > 0.02 * len(before)
    one.page.wait_for_timeout(300)
    assert one.pixels() != before, "it turns"
    one.page.get_by_role("button", name="Stop turning").first.click()
    one.page.wait_for_timeout(100)
    still = one.pixels()
    one.page.wait_for_timeout(200)
    assert one.pixels() == still
    box = canvas.bounding_box()
    one.page.mouse.move(box["x"] + 60, box["y"] + 60)
    one.page.mouse.down()
    one.page.mouse.move(box["x"] + 140, box["y"] + 80)
    one.page.mouse.up()
    dragged = one.pixels()
    assert dragged != still
    canvas.focus()
    one.page.keyboard.press("ArrowLeft")
    assert one.pixels() != dragged
    assert one.page.locator(".attractor svg").first.is_hidden(), "the canvas stands in its place"
    assert one.complaints == []


def test_nothing_moves_for_who_wants_no_motion(opened: Any) -> None:
    one = opened(reduced_motion="reduce")
    one.page.locator("canvas").first.scroll_into_view_if_needed()
    one.page.wait_for_timeout(200)
    before = one.pixels()
    assert np.count_nonzero(before) > 0.02 * len(before)
    one.page.wait_for_timeout(300)
    assert one.pixels() == before
    one.page.get_by_role("button", name="Turn", exact=True).first.click()
    one.page.wait_for_timeout(300)
    assert one.pixels() != before, "but it may be asked for"


def _column(table: Any, name: str) -> list[str]:
    heads = [head.strip() for head in table.locator("thead th").all_inner_texts()]
    at = heads.index(name) + 1
    return table.locator(f"tbody tr > :nth-child({at})").all_inner_texts()


def test_tables_sort_by_number_word_and_back(opened: Any) -> None:
    one = opened()
    table = one.page.locator("details table:not(.plain)").last
    button = table.get_by_role("button", name="D_stsp", exact=True)
    head = table.locator("thead th").filter(has_text=re.compile("^D_stsp$"))
    assert head.get_attribute("aria-sort") == "none"
    table.get_by_role("button", name="status", exact=True).click()
    assert _column(table, "D_stsp")[0] == "-", "of the run that diverged"
    button.click()
    assert head.get_attribute("aria-sort") == "ascending"
    up = _column(table, "D_stsp")
    assert up[-2:] == ["infinite", "-"], "what is missing comes last"
    numbers = [float(cell) for cell in up[:-2]]
    assert numbers == sorted(numbers)
    assert len(set(numbers)) > 10
    button.focus()
    one.page.keyboard.press("Enter")
    assert head.get_attribute("aria-sort") == "descending"
    down = _column(table, "D_stsp")
    assert down[0] == "infinite"
    assert down[-1] == "-", "also then"
    assert [float(cell) for cell in down[1:-1]] == sorted(numbers, reverse=True)
    table.get_by_role("button", name="result", exact=True).click()
    assert head.get_attribute("aria-sort") == "none"
    results = [cell for cell in _column(table, "result") if cell != "-"]
    assert results == sorted(results)


def test_the_sweep_shows_the_text_of_points_and_hides_lines(opened: Any) -> None:
    one = opened()
    point = one.page.locator(".sweep [data-tip*='τ = 30'][data-tip*='1 diverged']").first
    point.scroll_into_view_if_needed()
    one.page.wait_for_timeout(300)  # scrolling hides the text
    box = point.bounding_box()
    one.page.mouse.move(box["x"] + 1, box["y"] + 1)
    tip = one.page.locator("#tip")
    assert tip.is_visible()
    assert tip.inner_text().startswith("LSTM, τ = 30: 0 of 4 reconstructed; D_stsp ")
    assert "1 diverged" in tip.inner_text()
    one.page.mouse.move(5, 5)
    assert tip.is_hidden()
    level = one.page.locator(".sweep [data-tip*='clipping']").first.bounding_box()
    one.page.mouse.move(level["x"] + 0.9 * level["width"], level["y"])
    assert tip.inner_text().startswith("LSTM, clipping: 0 of 1 reconstructed; D_stsp 8.00, ")
    button = one.page.locator(".legend").get_by_role("button", name="LSTM", exact=True)
    button.click()
    assert button.get_attribute("aria-pressed") == "false"
    assert point.is_hidden()
    button.click()
    assert point.is_visible()
    assert one.complaints == []


def test_without_javascript_everything_can_be_read(opened: Any) -> None:
    one = opened(java_script_enabled=False)
    assert one.page.locator("table tbody tr").count() == 18 + 6, "runs and recipes"
    folded = one.page.locator("article > details > summary, section > details > summary")
    assert folded.count() == 6 + 1
    assert one.page.locator("article svg.figure").first.is_hidden()
    for i in range(folded.count()):
        folded.nth(i).click()
    assert one.page.locator("canvas").count() == 0
    for kind in (".attractor svg", ".sweep svg.figure", "article svg.figure"):
        pictures = one.page.locator(kind)
        assert pictures.count() > 1
        assert all(pictures.nth(i).is_visible() for i in range(pictures.count()))
    assert one.page.locator("button").count() == 0, "no button that does nothing"


def test_on_a_phone_only_tables_scroll_sideways(opened: Any) -> None:
    one = opened(viewport={"width": 390, "height": 844}, is_mobile=True, has_touch=True)
    width = one.page.evaluate("document.documentElement.scrollWidth")
    assert width == 390
    findings = one.page.locator(".finding")
    boxes = [findings.nth(i).bounding_box() for i in range(findings.count())]
    assert len(boxes) == 2, "of each dataset"
    assert all(box["y"] + box["height"] < 844 for box in boxes), "on the first screen"
    heads = one.page.locator("main table").first.locator("thead th").all_inner_texts()
    assert [head.strip() for head in heads[:3]] == ["recipe", "reconstructed", "D_stsp"]
    sizes = one.page.evaluate(
        """() => [...document.querySelectorAll('svg.figure text')].map((t) =>
        parseFloat(getComputedStyle(t).fontSize) * t.ownerSVGElement.getScreenCTM().a)"""
    )
    assert min(sizes) >= 8.5, "pixels of the smallest text"
    buttons = one.page.locator("button.small, .legend button")
    assert min(buttons.nth(i).bounding_box()["height"] for i in range(buttons.count())) >= 32
    point = one.page.locator(".sweep svg.figure [data-tip] use").first
    point.scroll_into_view_if_needed()
    one.page.wait_for_timeout(300)  # scrolling hides the text
    point.tap()
    assert one.page.locator("#tip").is_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_its_background(scheme: str, opened: Any) -> None:
    """The contrast that WCAG 2.2 asks for (4.5; 3 for lines) in both schemes."""
    one = opened(color_scheme=scheme)
    colors = one.page.evaluate(
        """() => { const s = getComputedStyle(document.documentElement); return Object.fromEntries(
        ['paper', 'card', 'ink', 'muted', 'accent', 'truth', 'c0', 'c1', 'c2', 'c3',
         'c4', 'c5', 'c6'].map((n) => [n, s.getPropertyValue('--' + n).trim()])); }"""
    )
    assert (_luminance(colors["paper"]) > 0.5) == (scheme == "light")
    shown = one.page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert [int(x) for x in re.findall(r"\d+", shown)] == _rgb(colors["paper"])
    for background in ("paper", "card"):
        for name, color in colors.items():
            if name in ("paper", "card"):
                continue
            least = 4.5 if name in ("ink", "muted", "accent") else 3.0
            assert _contrast(color, colors[background]) >= least, (name, background)


def _rgb(color: str) -> list[int]:
    return [int(color[i : i + 2], 16) for i in (1, 3, 5)]


def _luminance(color: str) -> float:
    """Relative luminance of an sRGB colour (WCAG 2.2)."""
    parts = [c / 255 for c in _rgb(color)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _contrast(a: str, b: str) -> float:
    low, high = sorted((_luminance(a), _luminance(b)))
    return (high + 0.05) / (low + 0.05)
