"""Fixed points, cycles and exponents of models on the report's page."""

from __future__ import annotations

import html
import json
import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import as_dataset
from report_runs import TRANSIENT, spiral, write_run

from sfbptt_cli.data.dataset import Standardiser
from sfbptt_cli.lyapunov.gradient_growth import gradient_growth
from sfbptt_cli.lyapunov.settings import GradientsSettings
from sfbptt_cli.models.plrnn import PLRNN
from sfbptt_cli.report import making
from sfbptt_cli.report.collection import collect
from sfbptt_cli.report.highlights import Highlight, attractor, decode_share, open_highlight
from sfbptt_cli.report.making import Report, make_report
from sfbptt_cli.report.model_dynamics import ModelCycle, read_gradients, read_spectrum
from sfbptt_cli.report.page_figures import project

CONFIGS = Path(__file__).parents[2] / "configs"
HOSTILE = "<img src=x onerror=alert(1)>"
SETTLED = spiral(3)[TRANSIENT:]  # the truth of `write_run`


@pytest.fixture(autouse=True)
def _no_sweep_figure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(making, "sweep_figure", lambda *_: None)
    monkeypatch.setattr(making.figure_style, "save", lambda *_: [])


def cycle(*points: list[float], stability: str = "saddle", **changes: Any) -> dict[str, Any]:
    """An entry of gradients.json; its eigenvalues have moduli 1.25 (twice), 1 and 0.5."""
    return {
        "order": len(points),
        "stability": stability,
        "observed": list(points),
        "eigenvalues": [[0.75, 1.0], [0.75, -1.0], [1.0, 0.0], [-0.5, 0.0]],
        "residual": 1e-14,
        "hits": 3,
        **changes,
    }


def gradients(*cycles: Any, **changes: Any) -> dict[str, Any]:
    return {
        "settings": {"cycles": 2},
        "growth_rate": 0.0125,
        "growth_rate_standard_error": 0.0003,
        "lambda_max": 0.0117,
        "lambda_max_standard_error": 0.0002,
        "cycles": list(cycles),
        **changes,
    }


def write(run: Path, content: Any, name: str = "gradients.json") -> None:
    (run / name).write_text(json.dumps(content), encoding="utf-8")


def opened(folder: Path) -> Highlight:
    """The only run below a folder, of whose files nothing may be wrong."""
    ((run,), _) = collect(folder)
    shown, skipped = open_highlight("best", run)
    assert skipped == []
    return shown


def report(folder: Path) -> tuple[str, Report]:
    made = make_report(folder, CONFIGS)
    return (folder / "report" / "index.html").read_text(encoding="utf-8"), made


def card_text(page: str) -> str:
    """The words of the first card, one space between them."""
    card = page[page.index("<article") : page.index("</article>")]
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", card)).split())


# --- where they lie --------------------------------------------------------------------------


def test_marks_lie_where_the_trajectory_passes() -> None:
    """A fixed point put on a point of the trajectory has that point's place in the picture."""
    generated = spiral(3, phase=0.3)[TRANSIENT:]
    view = attractor(SETTLED, generated, "xyz")
    drawn = decode_share(view.generated)
    for i in (0, 50, 117):
        place = view.place(ModelCycle(1, "saddle", generated[i : i + 1], 1.2, 1))
        assert np.abs(drawn - place).max(axis=1).min() < 1e-4


def test_of_one_variable_the_axes_are_delays_along_the_cycle() -> None:
    """x, then lag and 2 lag steps later: a cycle that the trajectory follows lies on it."""
    period, steps = 8, 400
    x = np.sin(2 * np.pi * np.arange(steps) / period)[:, None]
    view = attractor(x, x, "x")
    assert view.lag == 2, "cos(2 pi lag / 8) is below 1/e from 2 on"
    places = view.place(ModelCycle(period, "stable", x[:period], 0.5, 0))
    for i, place in enumerate(places):
        expected = [x[i + k * view.lag, 0] for k in range(3)]
        np.testing.assert_allclose(view.low + place * (view.high - view.low), expected, atol=1e-12)
        assert np.abs(decode_share(view.truth) - place).max(axis=1).min() < 1e-4
    middle = view.place(ModelCycle(1, "unstable", np.zeros((1, 1)), 1.5, 1))
    np.testing.assert_allclose(middle, 0.5, atol=1e-3)


def test_a_plane_has_no_third_axis(tmp_path: Path) -> None:
    write(write_run(tmp_path, variables=2), gradients(cycle([1.0, 2.0])))
    shown = opened(tmp_path)
    (mark,) = shown.marks
    assert shown.attractor is not None
    low, high = shown.attractor.low[:2], shown.attractor.high[:2]
    np.testing.assert_allclose(low + mark.place[:2] * (high - low), [1.0, 2.0])
    assert mark.place[2] == pytest.approx(0.3 / 1.6), "as the drawn points, all of them at 0"


def test_only_what_is_in_view_is_marked_and_the_rest_is_counted(tmp_path: Path) -> None:
    high = SETTLED.max(axis=0)
    reach = high - SETTLED.min(axis=0)
    inside, outside = (high + share * reach for share in (0.29, 0.31))
    run = write_run(tmp_path)
    write(run, gradients(cycle(inside.tolist()), cycle(outside.tolist()), cycle([1e308] * 3)))
    shown = opened(tmp_path)
    assert len(shown.cycles) == 3
    assert len(shown.marks) == 1
    text = card_text(report(tmp_path)[0])
    assert "○ fixed point that does not attract, 2 out of view" in text


# --- what the page says ----------------------------------------------------------------------


def test_the_table_says_what_the_file_holds(tmp_path: Path) -> None:
    run = write_run(tmp_path)
    write(
        run,
        gradients(
            cycle([-1.25, 2.5, 3.0]),
            cycle([1.0, 2.0, 3.0], [4.0, 5.0, 6.0], stability="stable"),
        ),
    )
    page, made = report(tmp_path)
    assert made.skipped == ()
    text = card_text(page)
    assert "growth of ‖∂z_T/∂z_1‖ 0.0125 ± 0.0003 λ_max 0.0117 ± 0.0002" in text
    assert "kind position (x, y, z) largest |eigenvalue|" in text
    # 1 is not above 1.
    assert "fixed point, saddle (-1.25, 2.5, 3) 1.25; 2 above 1" in text
    assert "cycle of order 2, stable (1, 2, 3) → (4, 5, 6) 1.25; 2 above 1" in text
    assert "◆ cycle that attracts" in text
    picture = page[page.index('<svg class="chart still"') :]
    picture = picture[: picture.index("</svg>")]
    marks = re.findall(r'<(circle|path) class="(mark[^"]*)"', picture)
    assert marks == [("circle", "mark"), ("path", "mark attracts"), ("path", "mark attracts")]


def test_the_picture_and_the_script_put_a_mark_in_the_same_place(tmp_path: Path) -> None:
    write(write_run(tmp_path), gradients(cycle([3.0, -4.0, 5.0])))
    page, _ = report(tmp_path)
    stored = re.search(r'<script type="application/json" id="attractors">(.*?)</script>', page)
    assert stored
    ((x, y, z, of_cycle, attracts),) = json.loads(stored[1])["run-0-0"]["marks"]
    assert (of_cycle, attracts) == (False, False)
    low, high = SETTLED.min(axis=0), SETTLED.max(axis=0)
    share = (np.array([3.0, -4.0, 5.0]) - low) / (high - low)
    np.testing.assert_allclose([x, y, z], (share + 0.3) / 1.6, atol=1e-4)
    (across,), (up,) = project(np.array([[x, y, z]]) - 0.5, -0.9, 0.35)
    drawn = re.search(r'<circle class="mark" cx="([\d.]+)" cy="([\d.]+)"', page)
    assert drawn
    expected = [270 + 190 * across, 95 - 190 * up]
    np.testing.assert_allclose([float(drawn[1]), float(drawn[2])], expected, atol=0.1)


def test_what_the_gradients_command_writes_is_read_whole(tmp_path: Path) -> None:
    """z' = 0.98 R z + c, whose fixed point is at (10, 10) in data units."""
    model = PLRNN(2, 2, torch.Generator().manual_seed(0), readout="identity").double()
    turn = torch.tensor([[0.0, -1.0], [1.0, 0.0]], dtype=torch.float64)
    centre = torch.full((2,), 10.0, dtype=torch.float64)
    with torch.no_grad():
        model.A.fill_(0.98 * math.cos(0.3))
        model.W.copy_(0.98 * math.sin(0.3) * turn)
        model.h.copy_(centre - (torch.diag(model.A) + model.W) @ centre)
    t = np.arange(400)
    data = 10 + np.column_stack([np.cos(0.3 * t), np.sin(0.3 * t)])
    scale = Standardiser(np.zeros(2), np.ones(2))
    settings = GradientsSettings(
        run="-", steps=300, transient=0, orbits=4, lengths=5, cycles=1, starts=20
    )
    growth = gradient_growth(model, scale, as_dataset(data), 10, settings)
    write(tmp_path, {"settings": {"cycles": 1}, **growth.as_json()})
    found, reasons = read_gradients(tmp_path, 2)
    assert reasons == []
    assert found is not None
    assert found.growth_rate == pytest.approx(math.log(0.98), rel=1e-6)
    (point,) = found.cycles
    assert (point.kind, point.stability, point.growing) == ("fixed point", "stable", 0)
    assert point.largest == pytest.approx(0.98)
    np.testing.assert_allclose(point.observed, [[10, 10]], atol=1e-8)


def test_without_the_file_the_command_that_makes_it_is_told(tmp_path: Path) -> None:
    import shlex

    folder = tmp_path / "it's"
    run = write_run(folder)
    page, made = report(folder)
    assert made.skipped == ()
    command = re.search(r'<pre class="command">(sfbptt gradients .*?)</pre>', page)
    assert command
    assert shlex.split(html.unescape(command[1])) == ["sfbptt", "gradients", f"run={run}"]


@pytest.mark.parametrize(
    ("changes", "settings", "words"),
    [
        ({}, {}, "None was found up to order 2."),
        ({"settings": {"cycles": 0}}, {}, "Not searched for (cycles=0)."),
        ({"settings": 3}, {}, "None is known."),
        ({}, {"inputs": ["x"]}, "a driven model has none of its own"),
    ],
)
def test_no_cycles_have_a_reason(
    changes: dict[str, Any], settings: dict[str, Any], words: str, tmp_path: Path
) -> None:
    write(write_run(tmp_path), gradients(**changes))
    shown = opened(tmp_path)
    shown.run.settings.update({f"dataset.{key}": value for key, value in settings.items()})
    from sfbptt_cli.report.dynamics_card import dynamics

    assert words in dynamics(shown)


def test_of_many_those_that_attract_are_kept(tmp_path: Path) -> None:
    many = [cycle([float(i), 0.0, 0.0]) for i in range(30)]
    many.append(cycle([99.0, 0.0, 0.0], stability="stable"))
    write(write_run(tmp_path), gradients(*many))
    shown = opened(tmp_path)
    assert [c.observed[0, 0] for c in shown.cycles] == [*range(11), 99]
    assert "19 more in gradients.json" in card_text(report(tmp_path)[0])


def test_the_spectrum_stands_beside_the_systems(tmp_path: Path) -> None:
    run = write_run(tmp_path)
    exponents = [1.05, 0.002, -14.8, -20.0, "-inf"]
    content = {"exponents": exponents, "unit": "per time unit", "system": None}
    write(run, content, "lyapunov.json")
    text = card_text(report(tmp_path)[0])
    assert "Lyapunov spectrum (per time unit) model 1.05, 0.002, -14.8, … (5 in all)" in text
    content["system"] = {"exponents": [1.1, 0.0, -14.7, -15.5]}
    write(run, content, "lyapunov.json")
    text = card_text(report(tmp_path)[0])
    assert "model 1.05, 0.002, -14.8, -20, … (5 in all) system 1.1, 0, -14.7, -15.5 " in text


# --- files of strangers ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        (7, "cycles[1]: is 7"),
        ({}, "cycles[1]: order is missing"),
        (cycle([1.0, 2.0, 3.0], order=0), "cycles[1]: order is 0"),
        (cycle([1.0, 2.0, 3.0], order=True), "cycles[1]: order is True"),
        (cycle([1.0, 2.0, 3.0], order=2), "observed has 1 points, order is 2"),
        (cycle([1.0, 2.0, 3.0], stability=HOSTILE), f"stability is '{HOSTILE}'"),
        ({**cycle([1.0, 2.0, 3.0]), "stability": ["saddle"]}, "stability is ['saddle']"),
        (cycle([1.0, 2.0]), "observed has 2 variables, the run 3"),
        (cycle([1.0, 2.0, "x"]), "cycles[1]: is 'x'"),  # type: ignore[list-item]
        (cycle([1.0, 2.0, "nan"]), "observed is not finite"),  # type: ignore[list-item]
        (cycle([]), "cycles[1]: observed is [[]]"),
        (cycle([1.0, 2.0, 3.0], [1.0]), "observed is [[1.0, 2.0, 3.0], [1.0]]"),
        (cycle([1.0, 2.0, 3.0], observed="abc"), "observed is 'abc'"),
        (cycle([1.0, 2.0, 3.0], eigenvalues=[]), "eigenvalues is []"),
        (cycle([1.0, 2.0, 3.0], eigenvalues=[[1.0]]), "eigenvalues are no pairs"),
        (cycle([1.0, 2.0, 3.0], eigenvalues={"a": 1}), "eigenvalues is {'a': 1}"),
    ],
)
def test_a_wrong_cycle_is_left_out_with_a_reason(entry: Any, reason: str, tmp_path: Path) -> None:
    write(tmp_path, gradients(cycle([1.0, 2.0, 3.0]), entry))
    found, (told,) = read_gradients(tmp_path, 3)
    assert reason in told
    assert found is not None
    assert len(found.cycles) == 1, "the other one stands"


def test_reasons_are_named_on_the_page_as_text(tmp_path: Path) -> None:
    hostile = cycle([1.0, 2.0, 3.0], stability=HOSTILE)
    write(write_run(tmp_path), gradients(cycle([1.0, 2.0, 3.0]), hostile))
    page, made = report(tmp_path)
    ((path, reason),) = made.skipped
    assert path.endswith("/gradients.json")
    assert reason == f"not drawn: cycles[1]: stability is '{HOSTILE}'"
    assert html.escape(reason) in page
    assert HOSTILE not in page
    assert page.count("fixed point, saddle") == 1


@pytest.mark.parametrize(
    "content",
    ["", "[]", "null", "{", '{"cycles": NaN}', "[" * 100_000, '{"growth_rate": 1e999}', "\udcff"],
)
def test_files_that_are_none_are_named(content: str, tmp_path: Path) -> None:
    run = write_run(tmp_path)
    for name in ("gradients.json", "lyapunov.json"):
        (run / name).write_bytes(content.encode("utf-8", "surrogateescape"))
    page, made = report(tmp_path)
    assert [Path(path).name for path, _ in made.skipped] == ["gradients.json", "lyapunov.json"]
    assert "Attractor" in card_text(page), "the rest of the card stands"


def test_wrong_fields_are_told_and_the_others_shown(tmp_path: Path) -> None:
    run = write_run(tmp_path)
    write(run, gradients(growth_rate=[1], cycles={}, lambda_max="-inf"))
    write(run, {"exponents": [1, None], "unit": 3, "system": "x"}, "lyapunov.json")
    page, made = report(tmp_path)
    told = {
        f"{Path(path).name} {reason.removeprefix('not drawn: ')}" for path, reason in made.skipped
    }
    assert told == {
        "gradients.json growth_rate is [1]",
        "gradients.json cycles is {}",
        "lyapunov.json exponents: one is missing",
        "lyapunov.json system is 'x'",
        "lyapunov.json unit is 3",
    }
    text = card_text(page)
    assert "growth of ‖∂z_T/∂z_1‖ – ± 0.0003 λ_max -infinite ± 0.0002" in text
    assert "Lyapunov spectrum" not in text


def test_many_wrong_cycles_do_not_fill_the_page(tmp_path: Path) -> None:
    write(write_run(tmp_path), gradients(*range(1_000)))
    _, made = report(tmp_path)
    assert [reason for _, reason in made.skipped][-1] == "not drawn: and 997 more"
    assert len(made.skipped) == 4


def test_without_trajectories_the_tables_stand(tmp_path: Path) -> None:
    run = write_run(tmp_path)
    (run / "trajectories.h5").unlink()
    write(run, gradients(cycle([1.0, 2.0, 3.0, 4.0, 5.0])))
    page, made = report(tmp_path)
    assert [Path(path).name for path, _ in made.skipped] == ["trajectories.h5"]
    assert "position largest |eigenvalue| fixed point, saddle (1, 2, 3, 4, …)" in card_text(page)


def test_there_is_no_spectrum_without_a_file(tmp_path: Path) -> None:
    assert read_spectrum(tmp_path) == (None, [])
    assert read_gradients(tmp_path, 3) == (None, [])


# --- in a browser ----------------------------------------------------------------------------


def test_the_marks_are_drawn_and_turn(chromium: Any, tmp_path: Path) -> None:
    """A mark in the middle of the view stays in the middle of the generation's half."""
    low, high = SETTLED.min(axis=0), SETTLED.max(axis=0)
    middle, corner = (low + high) / 2, high + 0.25 * (high - low)
    run = write_run(tmp_path)
    write(run, gradients(cycle(middle.tolist(), stability="stable"), cycle(corner.tolist())))
    report(tmp_path)
    context = chromium.new_context(viewport={"width": 400, "height": 800}, reduced_motion="reduce")
    page = context.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto((tmp_path / "report" / "index.html").as_uri())
    canvas = page.locator("canvas").first
    canvas.scroll_into_view_if_needed()
    page.wait_for_timeout(200)
    read = """(canvas) => { const { width, height } = canvas;
        const [r, g, b] = canvas.getContext('2d').getImageData(0.75 * width, height / 2, 1, 1).data;
        return [r, g, b]; }"""
    assert complaints == []  # Chromium has advice about what follows
    ink = [0x1B, 0x1D, 0x1F]
    assert canvas.evaluate(read) == ink
    whole = "(canvas) => canvas.toDataURL()"
    before = canvas.evaluate(whole)
    canvas.focus()
    page.keyboard.press("ArrowLeft")
    assert canvas.evaluate(whole) != before
    assert canvas.evaluate(read) == ink
    assert page.evaluate("document.documentElement.scrollWidth") == 400
    table = page.locator("table.plain")
    assert table.locator("button").count() == 0, "three rows need no sorting"
    assert table.evaluate("(t) => t.scrollWidth - t.parentElement.clientWidth") <= 0
    context.close()
