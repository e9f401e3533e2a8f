"""YAML and JSON of strangers: plain values come back, everything else is refused at once."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import pytest
import yaml
from strangers import refusal

from sfbptt_cli.common.documents import read_json, read_yaml

YAML = {
    "aliases": "a: &a [x]\nb: [*a, *a]\n",
    "laughs": "a: &a [x,x,x]\n"
    + "".join(f"{b}: &{b} [*{a},*{a}]\n" for a, b in pairwise("abcdefghijklmnopqrstuvwxyz")),
    "itself": "a: &a [*a]\n",
    "merge": "a: &a {b: 1}\nc: {<<: *a}\n",
    "tag": "a: !!python/object/apply:os.system ['true']\n",
    "name": "a: !!python/name:os.system\n",
    "date": "a: 2020-01-01\n",
    "bytes": "a: !!binary aGk=\n",
    "set": "a: !!set {b}\n",
    "key": "1: a\n",
    "nested": "a: " + "[" * 5_000 + "]" * 5_000,
    "deep": "a: " + "[" * 40 + "]" * 40,
    "base 60": "a: 1" + ":1" * 400_000,
    "escape": 'a: "\\x1b[2J"\n',
    "half": 'a: "\\ud800"\n',
    "digits": f"a: {10**200}\n",
    "large": "a: " + "x " * 2**20,
    "items": "a:\n" + "- 0\n" * 150_000,
    "keys": "".join(f"k{i}: 0\n" for i in range(25_000)),
}
JSON = {
    "nested": "[" * 100_000 + "]" * 100_000,
    "deep": '{"a": ' + "[" * 40 + "]" * 40 + "}",
    "nan": '{"a": NaN}',
    "infinity": '{"a": -Infinity}',
    "overflow": '{"a": 1e999}',
    "digits": f'{{"a": {"9" * 100}}}',
    "more digits": f'{{"a": {"9" * 100_000}}}',
    "escape": '{"a": "\\u001b[2J"}',
    "half": '{"a\\ud800": 1}',
    "items": json.dumps({"a": [0] * 500_000}),
    "lists": json.dumps({"a": [[0]] * 150_000}),
    "large": '{"a": "' + "x" * 2**24 + '"}',
}


@pytest.mark.parametrize("name", YAML)
def test_hostile_yaml_is_refused_at_once(tmp_path: Path, name: str) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(YAML[name])
    assert refusal(lambda: read_yaml(path, "run")).startswith(f"run: '{path}' ")


@pytest.mark.parametrize("name", JSON)
def test_hostile_json_is_refused_at_once(tmp_path: Path, name: str) -> None:
    path = tmp_path / "run.json"
    path.write_text(JSON[name])
    assert refusal(lambda: read_json(path, "run")).startswith(f"run: '{path}' ")


def test_documents_come_back_as_they_were(tmp_path: Path) -> None:
    content = {"a": [1, -2.5, "ζ\n${b}", None, True, {}], "b": {"c": 1e-300, "d": 2**63}}
    (tmp_path / "a.yaml").write_text(yaml.safe_dump(content, allow_unicode=True))
    (tmp_path / "a.json").write_text(json.dumps(content))
    assert read_yaml(tmp_path / "a.yaml", "run") == content
    assert read_json(tmp_path / "a.json", "run") == content
