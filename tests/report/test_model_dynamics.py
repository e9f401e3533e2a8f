"""Fixed points, cycles and exponents of models: what is read, and what the page shows of it."""

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
from report_runs import TRANSIENT, Opened, draw_little, edit, page_of, report, spiral, write_run

from sfbptt_cli.data.dataset import Standardiser
from sfbptt_cli.figures.attractor import project
from sfbptt_cli.lyapunov.gradient_growth import gradient_growth
from sfbptt_cli.lyapunov.settings import GradientsSettings
from sfbptt_cli.models.plrnn import PLRNN
from sfbptt_cli.report.card import card
from sfbptt_cli.report.cloud import attractor, decode_share
from sfbptt_cli.report.collection import collect
from sfbptt_cli.storage.model_dynamics import read_gradients, read_spectrum

HOSTILE = "<img src=x onerror=alert(1)>"
SETTLED = spiral(3)[TRANSIENT:]  # the truth of `write_run`


@pytest.fixture(autouse=True)
def _little_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    draw_little(monkeypatch)


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


def opened(folder: Path) -> dict[str, Any]:
    """The card of the only run below a folder, of whose files nothing may be wrong."""
    ((run,), _) = collect(folder)
    shown, skipped = card("best", run, "run")
    assert skipped == []
    return shown


def card_text(folder: Path) -> str:
    """The words of the first card of a report, one space between them."""
    report(folder)
    page = page_of(folder)
    article = page[page.index("<article") : page.index("</article>")]
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", article)).split())


# --- where they lie --------------------------------------------------------------------------


def test_marks_lie_where_the_trajectory_passes() -> None:
    """A fixed point put on a point of the trajectory has that point's place in the picture."""
    generated = spiral(3, phase=0.3)[TRANSIENT:]
    view = attractor(SETTLED, generated, "xyz")
    drawn = decode_share(view.generated)
    for i in (0, 50, 117):
        place = view.place(generated[i : i + 1])
        assert np.abs(drawn - place).max(axis=1).min() < 1e-4


def test_of_one_variable_the_axes_are_delays_along_the_cycle() -> None:
    """x, then lag and 2 lag steps later: a cycle that the trajectory follows lies on it."""
    period, steps = 8, 400
    x = np.sin(2 * np.pi * np.arange(steps) / period)[:, None]
    view = attractor(x, x, "x")
    assert view.lag == 2, "cos(2 pi lag / 8) is below 1/e from 2 on"
    places = view.place(x[:period])
    for i, place in enumerate(places):
        expected = [x[i + k * view.lag, 0] for k in range(3)]
        np.testing.assert_allclose(view.low + place * (view.high - view.low), expected, atol=1e-12)
        assert np.abs(decode_share(view.truth) - place).max(axis=1).min() < 1e-4
    middle = view.place(np.zeros((1, 1)))
    np.testing.assert_allclose(middle, 0.5, atol=1e-3)


def test_a_plane_has_no_third_axis(tmp_path: Path) -> None:
    write(write_run(tmp_path, variables=2), gradients(cycle([1.0, 2.0])))
    shown = opened(tmp_path)
    ((x, y, z, *_),) = shown["cloud"]["marks"]
    view = shown["view"]
    low, reach = view.low[:2], (view.high - view.low)[:2]
    np.testing.assert_allclose(low + np.array([x, y]) * reach, [1.0, 2.0], atol=1e-4 * reach.max())
    assert z == pytest.approx(0.3 / 1.6, abs=1e-4), "as the drawn points, all of them at 0"


def test_only_what_is_in_view_is_marked_and_the_rest_is_counted(tmp_path: Path) -> None:
    high = SETTLED.max(axis=0)
    reach = high - SETTLED.min(axis=0)
    inside, outside = (high + share * reach for share in (0.29, 0.31))
    run = write_run(tmp_path)
    write(run, gradients(cycle(inside.tolist()), cycle(outside.tolist()), cycle([1e308] * 3)))
    shown = opened(tmp_path)
    assert len(shown["cycles"]) == 3
    assert len(shown["cloud"]["marks"]) == 1
    text = card_text(tmp_path)
    assert "○ fixed point that does not attract, 2 out of view" in text


# --- what the page shows ---------------------------------------------------------------------


def test_the_table_has_what_the_file_holds(tmp_path: Path) -> None:
    run = write_run(tmp_path)
    write(
        run,
        gradients(
            cycle([-1.25, 2.5, 3.0]),
            cycle([1.0, 2.0, 3.0], [4.0, 5.0, 6.0], stability="stable"),
        ),
    )
    text = card_text(tmp_path)
    assert "growth of ‖∂z_T/∂z_1‖ 0.0125 ± 0.0003 λ_max 0.0117 ± 0.0002" in text
    assert "kind position (x, y, z) largest |eigenvalue|" in text
    # 1 is not above 1.
    assert "fixed point, saddle (-1.25, 2.50, 3.00) 1.25; 2 above 1" in text
    assert "order 2, stable (1.00, 2.00, 3.00) → (4.00, 5.00, 6.00) 1.25; 2 above 1" in text
    assert "○ fixed point that does not attract, ◆ cycle that attracts" in text


def test_the_picture_and_the_script_put_a_mark_in_the_same_place(tmp_path: Path) -> None:
    write(write_run(tmp_path), gradients(cycle([3.0, -4.0, 5.0])))
    shown = opened(tmp_path)
    ((x, y, z, of_cycle, attracts),) = shown["cloud"]["marks"]
    assert (of_cycle, attracts) == (False, False)
    low, high = SETTLED.min(axis=0), SETTLED.max(axis=0)
    share = (np.array([3.0, -4.0, 5.0]) - low) / (high - low)
    np.testing.assert_allclose([x, y, z], (share + 0.3) / 1.6, atol=1e-4)
    (across,), (up,) = project(np.array([[x, y, z]]) - 0.5)
    (drawn,) = re.findall(
        r'<use href="[^"]*" x="([\d.]+)" y="([\d.]+)"', shown["pictures"]["attractor"]
    )
    # The picture is 360 wide and 190 high, drawn at 72 points an inch.
    expected = np.array([270 + 190 * across, 95 - 190 * up]) * 0.72
    np.testing.assert_allclose(np.array(drawn, float), expected, atol=0.05)


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
    found = read_gradients(tmp_path, 2)
    assert found is not None
    assert found.growth_rate == pytest.approx(math.log(0.98), rel=1e-6)
    (point,) = found.cycles
    assert (point.kind, point.stability, point.growing) == ("fixed point", "stable", 0)
    assert point.largest == pytest.approx(0.98)
    np.testing.assert_allclose(point.observed, [[10, 10]], atol=1e-8)


def test_without_the_file_the_page_has_the_command_that_makes_it(tmp_path: Path) -> None:
    import shlex

    folder = tmp_path / "it's"
    run = write_run(folder)
    assert not report(folder).skipped
    command = re.search(r'<pre class="command">(sfbptt gradients .*?)</pre>', page_of(folder))
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
    path = write_run(tmp_path)
    write(path, gradients(**changes))
    edit(path, "config.yaml", lambda stored: stored["dataset"].update(settings))
    assert words in card_text(tmp_path)


def test_of_many_those_that_attract_are_kept(tmp_path: Path) -> None:
    many = [cycle([float(i), 0.0, 0.0]) for i in range(30)]
    many.append(cycle([99.0, 0.0, 0.0], stability="stable"))
    write(write_run(tmp_path), gradients(*many))
    shown = opened(tmp_path)
    assert [c.observed[0, 0] for c in shown["cycles"]] == [*range(11), 99]
    assert "19 more in gradients.json" in card_text(tmp_path)


def test_the_spectrum_stands_beside_the_systems(tmp_path: Path) -> None:
    run = write_run(tmp_path)
    exponents = [1.05, 0.002, -14.8, -20.0, "-inf"]
    content = {"exponents": exponents, "unit": "per time unit", "system": None}
    write(run, content, "lyapunov.json")
    text = card_text(tmp_path)
    assert "Lyapunov spectrum (per time unit) model 1.05, 0.00200, -14.8, … (5 in all)" in text
    content["system"] = {"exponents": [1.1, 0.0, -14.7, -15.5]}
    write(run, content, "lyapunov.json")
    text = card_text(tmp_path)
    assert "model 1.05, 0.00200, -14.8, -20.0, … (5 in all) system 1.10, 0, -14.7, -15.5 " in text


# --- files of strangers ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        (7, "cycles[1] is 7"),
        ({}, "cycles[1]: order is missing"),
        (cycle([1.0, 2.0, 3.0], order=0), "order is 0"),
        (cycle([1.0, 2.0, 3.0], order=True), "order is True"),
        (cycle([1.0, 2.0, 3.0], order=2), "observed has 1 points of 3 variables"),
        (cycle([1.0, 2.0, 3.0], stability=HOSTILE), f"stability is '{HOSTILE}'"),
        ({**cycle([1.0, 2.0, 3.0]), "stability": ["saddle"]}, "stability is ['saddle']"),
        (cycle([1.0, 2.0]), "observed has 1 points of 2 variables"),
        (cycle([1.0, 2.0, "x"]), "observed is 'x'"),  # type: ignore[list-item]
        (cycle([1.0, 2.0, "nan"]), "observed is not finite"),  # type: ignore[list-item]
        (cycle([]), "observed is [[]]"),
        (cycle([1.0, 2.0, 3.0], [1.0]), "observed is [[1.0, 2.0, 3.0], [1.0]]"),
        (cycle([1.0, 2.0, 3.0], observed="abc"), "observed is 'abc'"),
        (cycle([1.0, 2.0, 3.0], eigenvalues=[]), "eigenvalues is []"),
        (cycle([1.0, 2.0, 3.0], eigenvalues=[[1.0]]), "eigenvalues are no pairs"),
        (cycle([1.0, 2.0, 3.0], eigenvalues={"a": 1}), "eigenvalues is {'a': 1}"),
    ],
)
def test_a_wrong_cycle_is_refused_with_a_reason(entry: Any, reason: str, tmp_path: Path) -> None:
    write(tmp_path, gradients(cycle([1.0, 2.0, 3.0]), entry))
    with pytest.raises(ValueError, match=re.escape(reason)):
        read_gradients(tmp_path, 3)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"growth_rate": [1]}, "growth_rate is [1]"),
        ({"cycles": {}}, "cycles is {}"),
        ({"exponents": [1, None]}, "exponents: one is missing"),
        ({"unit": 3}, "unit is 3"),
        ({"system": "x"}, "system is 'x'"),
    ],
)
def test_a_wrong_entry_is_refused(changes: dict[str, Any], reason: str, tmp_path: Path) -> None:
    write(tmp_path, gradients(**changes))
    spectrum = {"exponents": [1.0], "unit": "per step", "system": None}
    write(tmp_path, {**spectrum, **changes}, "lyapunov.json")
    with pytest.raises(ValueError, match=re.escape(reason)):
        assert (read_gradients(tmp_path, 3), read_spectrum(tmp_path)) is None


def test_a_file_that_is_refused_is_named_as_text_and_the_card_stands(tmp_path: Path) -> None:
    run = write_run(tmp_path)
    write(run, gradients(cycle([1.0, 2.0, 3.0], stability=HOSTILE)))
    write(run, [], "lyapunov.json")
    text = card_text(tmp_path)
    made = report(tmp_path)
    assert [Path(path).name for path, _ in made.skipped] == ["gradients.json", "lyapunov.json"]
    reason = made.skipped[0].reason
    assert reason == f"not drawn: cycles[0]: stability is '{HOSTILE}'"
    assert HOSTILE not in page_of(tmp_path)
    assert reason in html.unescape(page_of(tmp_path))
    assert "Attractor" in text
    assert "Lyapunov spectrum" not in text


def test_without_trajectories_the_tables_stand(tmp_path: Path) -> None:
    run = write_run(tmp_path)
    (run / "trajectories.h5").unlink()
    write(run, gradients(cycle([1.0, 2.0, 3.0, 4.0, 5.0])))
    assert [Path(path).name for path, _ in report(tmp_path).skipped] == ["trajectories.h5"]
    text = card_text(tmp_path)
    assert "position largest |eigenvalue| fixed point, saddle (1.00, 2.00, 3.00, 4.00, …)" in text


# --- in a browser ----------------------------------------------------------------------------


def test_the_marks_are_drawn_and_turn(chromium: Any, tmp_path: Path) -> None:
    """A mark in the middle of the view stays in the middle of the generation's half."""
    low, high = SETTLED.min(axis=0), SETTLED.max(axis=0)
    middle, corner = (low + high) / 2, high + 0.25 * (high - low)
    run = write_run(tmp_path)
    write(run, gradients(cycle(middle.tolist(), stability="stable"), cycle(corner.tolist())))
    report(tmp_path)
    viewport = {"width": 400, "height": 800}
    one = Opened(chromium, tmp_path, viewport=viewport, reduced_motion="reduce")
    page = one.page
    canvas = page.locator("canvas").first
    canvas.scroll_into_view_if_needed()
    page.wait_for_timeout(200)
    read = """(canvas) => { const { width, height } = canvas;
        const [r, g, b] = canvas.getContext('2d').getImageData(0.75 * width, height / 2, 1, 1).data;
        return [r, g, b]; }"""
    assert one.complaints == []  # Chromium has advice about what follows
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
    one.context.close()
