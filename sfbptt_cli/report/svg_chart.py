"""A line chart as inline SVG: axes, ticks, lines; colours by CSS classes, so dark pages work.

Everything that is text, attributes included, is escaped here.
"""

from __future__ import annotations

import html
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

# A chart is drawn for a phone of this width, and scaled up by wider pages.
WIDTH, HEIGHT = 360, 210
_HUGE = 1e100
_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 10, 22, 36


@dataclass(frozen=True)
class Axis:
    """From `low` to `high`, in the unit that `label` names."""

    low: float
    high: float
    label: str = ""
    log: bool = False
    fixed: Sequence[float] = ()  # ticks that are wanted

    def fraction(self, values: ArrayLike) -> NDArray[np.float64]:
        """0 at `low`, 1 at `high`."""
        x = np.asarray(values, dtype=np.float64)
        if not self.log:
            return (x - self.low) / (self.high - self.low)
        with np.errstate(divide="ignore", invalid="ignore"):
            span = math.log(self.high) - math.log(self.low)
            return (np.log(x) - math.log(self.low)) / span

    def ticks(self, most: int) -> list[float]:
        """Round values on the axis, at most about `most`; finer than decades where few fit."""
        if self.fixed:
            return list(self.fixed)
        if not self.log:
            return _linear_ticks(self.low, self.high, most)
        first, last = math.floor(math.log10(self.low)), math.ceil(math.log10(self.high))
        for factors in ((1, 2, 5), (1, 3), (1,)):
            found = [f * 10.0**k for k in range(first, last + 1) for f in factors]
            found = [x for x in found if self.low * 0.999 <= x <= self.high * 1.001]
            if len(found) <= most:
                break
        found = found[:: max(1, math.ceil(len(found) / most))]
        return found if len(found) > 1 else _linear_ticks(self.low, self.high, most)


def _linear_ticks(low: float, high: float, most: int) -> list[float]:
    rough = (high - low) / max(most, 1)
    unit = 10.0 ** math.floor(math.log10(rough))
    step = next(unit * f for f in (1, 2, 5, 10) if unit * f >= rough * 0.999)
    start = math.ceil(low / step - 1e-9)
    return [step * k for k in range(start, math.floor(high / step + 1e-9) + 1)]


@dataclass
class Chart:
    """Elements on two axes. `title` is the text above, and with `description` its alternative."""

    title: str
    description: str
    x: Axis
    y: Axis
    height: int = HEIGHT
    y_ticks: bool = True
    drawn: list[str] = field(default_factory=list)

    def place(self, x: ArrayLike, y: ArrayLike) -> NDArray[np.float64]:
        """Pixels (n, 2) of the points; NaN where one has no place, as 0 on a log axis."""
        wide, high = WIDTH - _LEFT - _RIGHT, self.height - _TOP - _BOTTOM
        left = _LEFT + wide * self.x.fraction(x)
        top = _TOP + high * (1 - self.y.fraction(y))
        points = np.stack(np.broadcast_arrays(left, top), axis=-1)
        points[~np.isfinite(points).all(axis=-1)] = np.nan
        return np.clip(points, -1e4, 1e4)  # far out of view is far enough

    def line(self, x: ArrayLike, y: ArrayLike, css: str) -> None:
        """A polyline, broken at NaN."""
        self.drawn.append(path(self.place(x, y), css))

    def level(self, y: float, css: str, style: str = "") -> None:
        """A horizontal line."""
        (_, top), *_ = self.place([self.x.low], [y])
        ends = f'x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{top:.1f}" y2="{top:.1f}"'
        self.drawn.append(f"<line {ends}{attributes({'class': css, 'style': style})}/>")

    def mark(self, x: float, css: str, text: str = "") -> None:
        """A vertical line, with a text above it."""
        left = self.place([x], [self.y.low])[0, 0]
        bottom = self.height - _BOTTOM
        ends = f'x1="{left:.1f}" x2="{left:.1f}" y1="{_TOP}" y2="{bottom}"'
        self.drawn.append(f"<line {ends}{attributes({'class': css})}/>")
        if text:
            half = 3 * len(text)  # of its width, nearly
            anchor = "end" if left + half > WIDTH else "start" if left < _LEFT + half else "middle"
            at = f'x="{left:.1f}" y="{_TOP - 3}" text-anchor="{anchor}"'
            self.drawn.append(f'<text class="note" {at}>{html.escape(text)}</text>')

    def band(self, low: float, high: float, css: str) -> None:
        """A horizontal band."""
        (_, bottom), (_, top) = self.place([self.x.low, self.x.low], [low, high])
        if math.isnan(bottom):  # the low end is not on a logarithmic axis
            bottom = self.height - _BOTTOM
        box = f'x="{_LEFT}" width="{WIDTH - _LEFT - _RIGHT}" y="{top:.1f}"'
        size = f'height="{max(bottom - top, 0):.1f}"'
        self.drawn.append(f"<rect {box} {size}{attributes({'class': css})}/>")

    def _axes(self) -> str:
        """Grid, tick labels and the names of the axes."""
        bottom, right = self.height - _BOTTOM, WIDTH - _RIGHT
        parts = []
        ticks = self.x.ticks(8)
        for tick, text in zip(ticks, _texts(ticks), strict=True):
            x = f"{self.place([tick], [self.y.low])[0, 0]:.1f}"
            parts.append(f'<line class="grid" x1="{x}" x2="{x}" y1="{_TOP}" y2="{bottom}"/>')
            parts.append(f'<text x="{x}" y="{bottom + 13}" text-anchor="middle">{text}</text>')
        ticks = self.y.ticks(max(3, self.height // 30)) if self.y_ticks else []
        for tick, text in zip(ticks, _texts(ticks), strict=True):
            top = self.place([self.x.low], [tick])[0, 1]
            ends = f'x1="{_LEFT}" x2="{right}" y1="{top:.1f}" y2="{top:.1f}"'
            parts.append(f'<line class="grid" {ends}/>')
            parts.append(f'<text x="{_LEFT - 5}" y="{top + 4:.1f}" text-anchor="end">{text}</text>')
        at = f'x="{(_LEFT + right) / 2}" y="{self.height - 5}"'
        parts.append(f'<text {at} text-anchor="middle">{html.escape(self.x.label)}</text>')
        if self.y.label:
            at = f'transform="translate(11 {(_TOP + bottom) / 2}) rotate(-90)"'
            parts.append(f'<text {at} text-anchor="middle">{html.escape(self.y.label)}</text>')
        return "".join(parts)

    def svg(self, identifier: str) -> str:
        """The chart; `identifier` has to be unique on the page."""
        bottom, right = self.height - _BOTTOM, WIDTH - _RIGHT
        clip = f"clip-{identifier}"
        area = f'x="{_LEFT}" y="{_TOP - 14}" width="{right - _LEFT}" height="{bottom - _TOP + 14}"'
        named = attributes({"aria-labelledby": f"{identifier}-t {identifier}-d"})
        return (
            f'<svg class="chart" viewBox="0 0 {WIDTH} {self.height}" role="img"{named}>'
            f'<title id="{identifier}-t">{html.escape(self.title)}</title>'
            f'<desc id="{identifier}-d">{html.escape(self.description)}</desc>'
            f'<clipPath id="{clip}"><rect {area}/></clipPath>'
            f'<g class="axes">{self._axes()}</g>'
            f'<g clip-path="url(#{clip})">{"".join(self.drawn)}</g></svg>'
        )


def path(points: NDArray[np.float64], css: str) -> str:
    """An SVG path through pixels (n, 2), broken where one is NaN."""
    commands = []
    pen_down = False
    for left, top in points:
        if math.isnan(left) or math.isnan(top):
            pen_down = False
            continue
        commands.append(f"{'L' if pen_down else 'M'}{left:.1f} {top:.1f}")
        pen_down = True
    return f'<path d="{"".join(commands)}"{attributes({"class": css})}/>'


def attributes(values: Mapping[str, str]) -> str:
    """Attributes with escaped values, each with a space before it; empty ones are left out."""
    return "".join(f' {name}="{html.escape(text)}"' for name, text in values.items() if text)


def range_axis(
    values: Iterable[float], label: str, log: bool = False, margin: float = 0.05
) -> Axis:
    """An axis that holds the values (positive ones, if logarithmic), with a margin.

    What is not finite, or beyond 1e100 and so of no meaning, is left out.
    """
    kept: Sequence[float] = [v for v in values if abs(v) < _HUGE and (not log or v > 1 / _HUGE)]
    if not kept:
        return Axis(0.1, 1.0, label, log) if log else Axis(0.0, 1.0, label)
    low, high = min(kept), max(kept)
    if log:
        if high < 1.2 * low:
            low, high = low / 1.1, high * 1.1
        room = (high / low) ** margin
        return Axis(low / room, high * room, label, log)
    room = margin * (high - low) if high > low else 0.5 * abs(high) or 0.5
    return Axis(low - room, high + room, label)


def _texts(ticks: Sequence[float]) -> list[str]:
    """Tick labels, with as many digits as tell neighbours apart."""
    digits = 3
    while digits < 9 and len({f"{tick:.{digits}g}" for tick in ticks}) < len(ticks):
        digits += 1
    return [_tick_text(0.0 if abs(tick) < 1e-300 else tick, digits) for tick in ticks]


def _tick_text(tick: float, digits: int) -> str:
    """With powers of ten written out: 10⁻⁵, 3·10⁻⁵."""
    text = f"{tick:.{digits}g}"
    if tick and not 1e-3 <= abs(tick) < 1e5:
        factor, _, power = f"{tick:.{digits - 1}e}".partition("e")
        factor = factor.rstrip("0").rstrip(".") if "." in factor else factor
        raised = str(int(power)).translate(_RAISED)
        text = f"10{raised}" if factor == "1" else f"{factor}·10{raised}"
    return text.replace("-", "−")
