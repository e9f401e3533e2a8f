"""The ZIP archive of a checkpoint, checked before torch sees it.

`torch.load(weights_only=True)` runs no code, but it believes the sizes that a file states: a few
bytes of pickle can ask for a tensor, or a bytearray, larger than any memory. What gets past here is
dictionaries, lists, tuples, text, numbers, and tensors whose numbers are all in the file.
"""

from __future__ import annotations

import io
import os
import pickle
import pickletools
import re
import zipfile
from collections import OrderedDict
from typing import Any, BinaryIO, NamedTuple

_RECORD = re.compile(
    r"[^/]+/(data\.pkl|data/\d+|version|byteorder|\.format_version|\.storage_alignment"
    r"|\.data/serialization_id)"
)
_ITEM_SIZES = {
    "BoolStorage": 1,
    "ByteStorage": 1,
    "IntStorage": 4,
    "LongStorage": 8,
    "FloatStorage": 4,
    "DoubleStorage": 8,
}
_OPCODES = frozenset(
    (
        *("PROTO", "STOP", "MARK", "POP", "NONE", "NEWTRUE", "NEWFALSE"),
        *("BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT", "BINUNICODE"),
        *("EMPTY_DICT", "EMPTY_LIST", "EMPTY_TUPLE", "TUPLE", "TUPLE1", "TUPLE2", "TUPLE3"),
        *("SETITEM", "SETITEMS", "APPEND", "APPENDS", "GLOBAL", "BINPERSID", "REDUCE"),
        *("BINPUT", "LONG_BINPUT", "BINGET", "LONG_BINGET"),
    )
)
_DEEPEST = 16


class Outline(NamedTuple):
    """What stands for a tensor while the pickle is checked."""

    shape: tuple[int, ...]


def checked_archive(file: BinaryIO) -> io.BytesIO:
    """A copy of the archive that holds what was checked and nothing else, for torch.load.

    Every record is stored as it is, uncompressed, and agrees with its CRC-32; together they are not
    larger than the file. Raises whatever zipfile and pickle raise, and ValueError with a reason.
    """
    copy = io.BytesIO()
    sizes: dict[str, int] = {}
    outlined = b""
    with zipfile.ZipFile(file) as archive, zipfile.ZipFile(copy, "w") as checked:
        records = archive.infolist()
        _require_stored(records, os.fstat(file.fileno()).st_size)
        for record in records:
            content = archive.read(record)  # compares the CRC-32
            checked.writestr(zipfile.ZipInfo(record.filename), content)
            _, _, name = record.filename.partition("/")
            sizes[name.removeprefix("data/")] = len(content)
            if name == "data.pkl":
                outlined = content
    _check_pickle(outlined, sizes)
    copy.seek(0)
    return copy


def _require_stored(records: list[zipfile.ZipInfo], size: int) -> None:
    names = {record.filename for record in records}
    if len(names) < len(records) or len({name.partition("/")[0] for name in names}) != 1:
        raise ValueError("two records have one name, or there are several folders")
    for record in records:
        if not _RECORD.fullmatch(record.filename):
            raise ValueError("it holds a record that torch.save does not write")
        if record.compress_type != zipfile.ZIP_STORED or record.file_size != record.compress_size:
            raise ValueError("it is compressed")
    if sum(record.file_size for record in records) > size:
        raise ValueError("its records are larger than the file")


def _check_pickle(content: bytes, sizes: dict[str, int]) -> None:
    """Refuse what no checkpoint holds; first by its opcodes, then by what they make."""
    count = 0
    for opcode, argument, _ in pickletools.genops(content):
        count += 1
        if opcode.name not in _OPCODES:
            raise ValueError(f"its pickle holds {opcode.name}")
        # Python's unpickler makes a table as long as the highest number.
        if opcode.name == "LONG_BINPUT" and isinstance(argument, int) and argument > count:
            raise ValueError("its pickle numbers more objects than it has")
    content_outline = _Outliner(io.BytesIO(content), sizes).load()
    _count_values(content_outline, count, 0)


def _count_values(value: Any, left: int, depth: int) -> int:
    """How many of `left` values remain: containers within themselves or shared would multiply."""
    left -= 1
    if left < 0 or depth > _DEEPEST:
        raise ValueError("its values are nested too deeply or repeat one another")
    if isinstance(value, dict):
        for key, inner in value.items():
            if type(key) not in (str, int):
                raise ValueError(f"it has a key of type {type(key).__name__}")
            left = _count_values(inner, left, depth + 1)
    elif isinstance(value, (list, tuple)) and not isinstance(value, Outline):
        for inner in value:
            left = _count_values(inner, left, depth + 1)
    return left


class _Outliner(pickle.Unpickler):
    """Makes outlines of tensors, and calls nothing else but OrderedDict.

    https://docs.python.org/3/library/pickle.html#restricting-globals
    """

    def __init__(self, file: BinaryIO, sizes: dict[str, int]) -> None:
        super().__init__(file)
        self._sizes = sizes

    def find_class(self, module: str, name: str) -> Any:
        if module == "torch" and name in _ITEM_SIZES:
            return _ITEM_SIZES[name]
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _outline
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        raise ValueError(f"its pickle names {module}.{name}")

    def persistent_load(self, pid: Any) -> int:
        """The number of elements of a storage: all of them are in its record."""
        kind, item, key, location, elements = pid
        named = kind == "storage" and location == "cpu"
        if not named or item not in _ITEM_SIZES.values() or not isinstance(key, str):
            raise ValueError("it refers to something that is no storage on the CPU")
        if type(elements) is not int or self._sizes.get(key) != item * elements:
            raise ValueError("a tensor's storage is not of the size of its record")
        return elements


def _outline(
    storage: Any, offset: Any, shape: Any, stride: Any, gradient: Any, hooks: Any
) -> Outline:
    numbers = [storage, offset, *shape, *stride]
    if any(type(n) is not int or n < 0 for n in numbers) or len(shape) != len(stride):
        raise ValueError("a tensor's shape is no shape")
    if gradient is not False or hooks or len(shape) > _DEEPEST:
        raise ValueError("a tensor has more than numbers")
    elements = 1
    for n in shape:
        elements *= n
    last = offset + sum((n - 1) * step for n, step in zip(shape, stride, strict=True))
    # A view that repeats its storage would be larger than that.
    if elements > storage or (elements and last >= storage):
        raise ValueError("a tensor reaches beyond its storage")
    return Outline(tuple(shape))
