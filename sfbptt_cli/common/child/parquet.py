"""Apache Parquet."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet

from sfbptt_cli.common.child.contents import MOST, SOME_MEMORY, Array, Refused, entry


class Parquet:
    """Columns of numbers and times of an Apache Parquet file."""

    def __init__(self, path: str) -> None:
        self.file: Any = pyarrow.parquet.ParquetFile(path)
        self.size = Path(path).stat().st_size

    def __enter__(self) -> Parquet:
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()

    def listed(self) -> list[dict[str, Any]]:
        """List the columns; times are numbers with a unit."""
        if len(self.file.schema_arrow) > MOST:
            raise Refused(f"it holds more than {MOST} columns")
        found = []
        for column in self.file.schema_arrow:
            unit = _unit(column.type)
            real = unit is not None or any(check(column.type) for check in _numbers())
            own = {} if unit is None else {"units": f"{_UNITS[unit]} since 1970-01-01"}
            shape, more = (self.file.metadata.num_rows,), {"dimensions": ["row"], "attributes": own}
            found.append(entry(column.name, column.type, real, shape, **more))
        return found

    def values(self, name: str, ratio: int) -> Array:
        """Read one column, as float64 with NaN for nulls; times as counts of their unit."""
        rows = self.file.metadata.num_rows
        if 8 * rows > max(ratio * self.size, SOME_MEMORY):
            raise Refused(f"{name} would unfold {self.size} bytes to {8 * rows}")
        (column,) = self.file.read(columns=[name], use_threads=False).columns
        if (unit := _unit(column.type)) is not None:
            column = column.cast(pyarrow.timestamp(unit)).cast(pyarrow.int64())
        if not column.null_count and pyarrow.types.is_integer(column.type):
            return column.to_numpy()
        return column.cast(pyarrow.float64(), safe=False).to_numpy()


_UNITS = {"s": "seconds", "ms": "milliseconds", "us": "microseconds", "ns": "nanoseconds"}


def _numbers() -> tuple[Any, ...]:
    types = pyarrow.types
    return types.is_integer, types.is_floating, types.is_decimal


def _unit(kind: Any) -> str | None:
    """Return the unit of dates and times; None for other types."""
    if pyarrow.types.is_date(kind):
        return "ms"
    return kind.unit if pyarrow.types.is_timestamp(kind) else None
