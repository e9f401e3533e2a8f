"""Checkpoints: what goes in comes out, damage is noticed, and no file of a stranger does harm."""

from __future__ import annotations

import copy
import io
import json
import math
import os
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from conftest import TINY, Cli, Finished, run_folder
from small_training import make_optimizer
from strangers import edited, in_little_memory, refusal, sealed

from sfbptt_cli.common.errors import RunFailed
from sfbptt_cli.experiment.run import Run
from sfbptt_cli.storage import checkpoint
from sfbptt_cli.storage.checkpoint import (
    checkpoint_hash,
    load_checkpoint,
    load_training,
    save_checkpoint,
)
from sfbptt_cli.storage.continuation import latest_checkpoint
from sfbptt_cli.storage.run_folder import RunFolder
from sfbptt_cli.training.optimizers import LR_SCHEDULES, OPTIMIZERS

DAMAGED = "checkpoint: {path} is damaged or no checkpoint ("


def state() -> dict[str, Any]:
    """A state with every kind of value."""
    generator = torch.Generator().manual_seed(0)
    weight = torch.randn(5, 3, generator=generator)
    moments: dict[int, Any] = {3: {"exp_avg": weight.double(), "Q": [weight.mT @ weight, []]}}
    moments[10] = {"step": torch.tensor(7.0)}
    numbers = [0, -1, 2**70, 1 / 3, -0.0, 5e-324, math.inf, -math.inf, math.nan, True, None]
    return {
        "model": {"cell.weight": weight, "bias": torch.zeros(0)},
        "optimizer": {"state": moments, "param_groups": [{"betas": (0.9, (0.99, []))}]},
        "progress": {"numbers": numbers, "words": ["", 'a\n"\\', "ζ\u2028\x00", "$float"]},
        "method": {"$tensor": {"$items": {0: 1}, "-1": 2, "": {}}},
        "turned": torch.randn(2, 3, 4, generator=generator).permute(2, 0, 1),
        "flags": torch.tensor([True, False]),
        "rng": torch.get_rng_state(),
    }


def assert_same(found: Any, expected: Any) -> None:
    """Values, types, the order of keys, and of the numbers in memory."""
    if isinstance(expected, torch.Tensor):
        assert (found.dtype, found.shape) == (expected.dtype, expected.shape)
        assert found.stride() == expected.stride()
        assert torch.equal(found, expected)
    elif isinstance(expected, dict):
        assert list(found) == list(expected)
        for key, value in expected.items():
            assert_same(found[key], value)
    elif isinstance(expected, (list, tuple)):
        assert (type(found), len(found)) == (type(expected), len(expected))
        for pair in zip(found, expected, strict=True):
            assert_same(*pair)
    else:
        assert (type(found), repr(found)) == (type(expected), repr(expected))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a checkpoint lies, without a folder yet."""
    return tmp_path / "checkpoints" / "last.safetensors"


@pytest.fixture
def whole(path: Path) -> bytes:
    """The bytes of a checkpoint, which lies at `path`."""
    save_checkpoint(path, state())
    return path.read_bytes()


def test_a_state_comes_back_as_it_was(path: Path) -> None:
    save_checkpoint(path, state())
    assert_same(load_checkpoint(path), state())


def test_tensors_have_dotted_names(path: Path, whole: bytes) -> None:
    """What other programs read of it."""
    tensors = safetensors.torch.load_file(path)
    assert torch.equal(tensors["optimizer.state.3.exp_avg"], tensors["model.cell.weight"].double())
    assert tensors["turned"].shape == (2, 3, 4)
    with safetensors.safe_open(path, "pt") as file:
        (text,) = file.metadata().values()
    assert json.loads(text)["state"]["progress"]["numbers"][3] == 1 / 3


def test_equal_states_are_equal_bytes(tmp_path: Path) -> None:
    paths = [tmp_path / "last.safetensors", tmp_path / "other" / "best.safetensors"]
    content = state()
    save_checkpoint(paths[0], content)
    shared = content["model"]
    save_checkpoint(paths[1], {**content, "model": {k: v.clone() for k, v in shared.items()}})
    assert checkpoint_hash(paths[0]) == checkpoint_hash(paths[1])
    shared["cell.weight"][0, 0] += 1e-6
    save_checkpoint(paths[1], content)
    assert checkpoint_hash(paths[0]) != checkpoint_hash(paths[1])


@pytest.mark.parametrize(
    ("value", "error"),
    [
        (np.zeros(3), TypeError),
        ({1, 2}, TypeError),
        (b"bytes", TypeError),
        ({True: 1}, TypeError),
        ({"a.b": torch.zeros(1), "a": {"b": torch.zeros(1)}}, ValueError),
    ],
)
def test_what_is_no_state_is_not_written(path: Path, value: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        save_checkpoint(path, {"model": value})
    assert not list(path.parent.iterdir())


def test_nothing_is_written_that_could_not_be_read(
    path: Path, whole: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoint, "_LARGEST_HEADER", 1_000)
    with pytest.raises(RunFailed, match="more than 1000 bytes"):
        save_checkpoint(path, state())
    assert path.read_bytes() == whole


def test_every_changed_byte_is_noticed(path: Path) -> None:
    """Of sizes, names, plain values, tensors and padding; one bit each."""
    save_checkpoint(path, {**state(), "rng": None})
    whole = path.read_bytes()
    for at in range(len(whole)):
        changed = bytearray(whole)
        changed[at] ^= 1 << at % 8
        path.write_bytes(changed)
        assert refusal(lambda: load_checkpoint(path), path).startswith(DAMAGED)


def test_truncated_files_and_others_are_refused(path: Path, whole: bytes) -> None:
    contents = [whole[: int(kept * len(whole))] for kept in (0, 0.1, 0.5, 0.9, 0.9999)]
    contents += [whole + b"\0", pickle.dumps({"schema": 2}), bytes(8), b"\x08" + bytes(7)]
    file = io.BytesIO()
    torch.save({"schema": 2, "model": {}}, file)
    for content in [*contents, file.getvalue()]:
        path.write_bytes(content)
        message = refusal(lambda: load_checkpoint(path), path)
        assert message.startswith(DAMAGED)
        assert message.endswith("); overwrite=true trains the run again")


def test_a_checkpoint_that_is_not_there_or_of_another_kind(tmp_path: Path) -> None:
    path = tmp_path / "last.safetensors"
    assert refusal(lambda: load_checkpoint(path), path) == "checkpoint: {path} does not exist"
    safetensors.torch.save_file({"weight": torch.zeros(3)}, path)
    assert refusal(lambda: load_checkpoint(path), path).startswith(DAMAGED)
    for old, new in ((b':2,\\"state', b':3,\\"state'), (b'{\\"n\\":1}', b"[1234567]")):
        save_checkpoint(path, {"n": 1})
        path.write_bytes(sealed(path.read_bytes().replace(old, new)))
        message = refusal(lambda: load_checkpoint(path), path)
        assert message == "checkpoint: {path} is not a checkpoint of schema 2"


def parts(whole: bytes) -> tuple[dict[str, Any], bytes]:
    """The header of a file and its numbers."""
    end = 8 + int.from_bytes(whole[:8], "little")
    return json.loads(whole[8:end]), whole[end:]


def joined(header: dict[str, Any] | str, numbers: bytes) -> bytes:
    """A file with its checksum."""
    text = header if isinstance(header, str) else json.dumps(header, separators=(",", ":"))
    return sealed(len(text.encode()).to_bytes(8, "little") + text.encode() + numbers)


def in_header(at: str, value: Any) -> Callable[[bytes], bytes]:
    """A change of the header's entry `at`, its parts separated by slashes."""

    def change(whole: bytes) -> bytes:
        header, numbers = parts(whole)
        place = header
        *path, last = at.split("/")
        for key in path:
            place = place[key]
        place[last] = value
        return joined(header, numbers)

    return change


def in_document(old: str, new: str) -> Callable[[bytes], bytes]:
    """A change of the JSON document in the header."""

    def change(whole: bytes) -> bytes:
        header, numbers = parts(whole)
        text = header["__metadata__"]["sfbptt"]
        assert old in text
        header["__metadata__"]["sfbptt"] = text.replace(old, new, 1)
        return joined(header, numbers)

    return change


def twice(whole: bytes) -> bytes:
    header, numbers = parts(whole)
    text = json.dumps(header, separators=(",", ":"))
    return joined(text[:-1] + f',"flags":{json.dumps(header["flags"])}}}', numbers)


WEIGHT = "model.cell.weight"
NUMBERS = '"numbers":['
NOTHING = {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}
HOSTILE: dict[str, Callable[[bytes], bytes]] = {
    "absurd shape": in_header(f"{WEIGHT}/shape", [2**62, 2**62]),
    "many axes": in_header("model.bias/shape", [0] * 17),
    "dtype that no state has": in_header(f"{WEIGHT}/dtype", "U32"),
    "offsets that overlap": in_header("rng/data_offsets", [0, 5056]),
    "offsets beyond the end": in_header("rng/data_offsets", [10**15, 10**15 + 5056]),
    "tensor without a place": in_header("more", NOTHING),
    "tensor of two places": in_document('["flags",', '["rng",'),
    "tensor that is missing": in_document('["flags",', '["other",'),
    "name that is none": in_document('["flags",', "[[],"),
    "axes that are none": in_document("[1,2,0]", "[1,2,2]"),
    "too few axes": in_document("[1,2,0]", "[0,1]"),
    "two names": twice,
    "two values": in_document('"words":', '"numbers":'),
    "two texts": in_header("__metadata__/more", {}),
    "unknown kind": in_document('"$tuple"', '"$call"'),
    "two kinds": in_document('{"$tuple":', '{"$more":0,"$tuple":'),
    "keys that are none": in_document("[[3,", "[[null,"),
    "word that is none": in_document('"$float":"nan"', f'"$float":"{"none" * 1_000}"'),
    "not JSON": in_document(NUMBERS, f"{NUMBERS}nought,"),
    "nested": in_document(NUMBERS, NUMBERS + "[" * 17 + "]" * 17 + ","),
    "deeply nested": in_document(NUMBERS, NUMBERS + "[" * 400_000 + "]" * 400_000 + ","),
    "many lists": in_document(NUMBERS, NUMBERS + "[]," * 2_000),
    "many digits": in_document(NUMBERS, NUMBERS + "9" * 5_000 + ","),
    "header of no text": lambda whole: sealed(whole.replace(b'"words', b'"\xff\xff\xff\xff\xff')),
    "header of no object": lambda whole: joined("[1]", b""),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files_are_refused(path: Path, whole: bytes, name: str) -> None:
    path.write_bytes(joined(*parts(whole)))
    load_checkpoint(path)  # so it is what was changed that is refused
    path.write_bytes(HOSTILE[name](whole))
    message = refusal(lambda: load_checkpoint(path), path)
    assert message.startswith(DAMAGED)
    assert "checksum" not in message
    assert len(message) < 400


def test_no_file_takes_more_memory_than_in_proportion(path: Path, whole: bytes) -> None:
    """Sizes that are stated, holes, and lists: GB of memory if they were believed."""
    bombs = {
        "size": (2**60).to_bytes(8, "little") + whole[8:],
        "shape": in_header(f"{WEIGHT}/shape", [2**30, 4])(whole),
        "lists": in_document(NUMBERS, NUMBERS + "[]," * 15_000_000)(whole),
        "objects": in_document(NUMBERS, NUMBERS + '{"":{}},' * 5_000_000)(whole),
        "holes": whole,
    }
    paths = [path.with_name(f"{name}.safetensors") for name in bombs]
    for file, content in zip(paths, bombs.values(), strict=True):
        file.write_bytes(content)
    os.truncate(paths[-1], 3 * 2**30)
    code = "from sfbptt_cli.storage.checkpoint import load_checkpoint as read"
    said = in_little_memory(code, *paths).splitlines()
    expected = ("does not fit", "SafetensorError", "too many lists", "too many lists", "unfold")
    assert all(word in line for word, line in zip(expected, said, strict=True)), said


@pytest.mark.parametrize("value", [np.nan, np.inf, 1])
def test_parameters_are_finite_numbers(path: Path, value: float) -> None:
    save_checkpoint(path, {"model": {"weight": torch.tensor([0, value])}})
    assert "no finite numbers" in refusal(lambda: load_checkpoint(path))


def test_the_scale_of_the_data_is_one(finished: Finished, tmp_path: Path) -> None:
    run = Path(shutil.copytree(finished.run, tmp_path / "run"))
    best = RunFolder(run).best
    stored = load_checkpoint(best)
    good = stored["standardiser"]
    wrong: list[Any] = [None, {}, {"mean": good["mean"]}, {**good, "std": 0 * good["std"]}]
    wrong += [{**good, "std": good["std"][:2]}, {**good, "mean": good["mean"] * np.nan}]
    wrong += [{**good, "mean": good["mean"].float()}, {k: v[None] for k, v in good.items()}]
    for scale in wrong:
        save_checkpoint(best, {**stored, "standardiser": scale})
        assert refusal(lambda: Run(run).standardiser).startswith("checkpoint: ")
    # Ten million variables of data make no model of ten million rows.
    many = {k: torch.ones(10_000_000, dtype=torch.float64) for k in ("mean", "std")}
    save_checkpoint(best, {**stored, "standardiser": many})
    code = "from sfbptt_cli.experiment.run import Run\nread = lambda path: Run(path).model"
    assert "does not fit" in in_little_memory(code, run, mebibytes=900)


# Training goes on.


@pytest.mark.parametrize(
    ("at", "value"),
    [
        ("model", {}),
        ("model.bias", torch.zeros(3)),
        ("optimizer", []),
        ("optimizer.state", []),
        ("optimizer.state.0", 1),
        ("optimizer.state.0.exp_avg", torch.zeros(3)),
        ("optimizer.state.0.exp_avg", torch.full((120, 30), np.nan)),
        ("optimizer.param_groups.lr", "fast"),
        ("optimizer.param_groups.lr", np.nan),
        ("schedule", {"step": 5, "last_epoch": 6}),
        ("schedule.last_epoch", 10**9),
        ("schedule.base_lrs", [7.0]),
        ("progress", {"epoch": 2}),
        ("progress.epoch", -1),
        ("progress.epoch", 2.0),
        ("progress.batch", -(10**9)),
        ("progress.history", [[1], [2]]),
        ("progress.history.loss", "low"),
        ("progress.best_score", None),
        ("rng", torch.zeros(3, dtype=torch.uint8)),
        ("rng", 0),
        ("method", {"alpha": 1.0}),
    ],
)
def test_training_goes_on_from_its_own_states_only(
    finished: Finished, path: Path, at: str, value: Any
) -> None:
    stored = load_checkpoint(RunFolder(finished.run).last)
    beginning = {**stored, "optimizer": {**stored["optimizer"], "state": {}}}
    save_checkpoint(path, stored)
    assert load_training(path, beginning, 2, 3)["progress"]["epoch"] == 2
    save_checkpoint(path, edited(stored, at, value))
    assert "does not continue this training" in refusal(
        lambda: load_training(path, beginning, 2, 3)
    )


@pytest.mark.parametrize("schedule", LR_SCHEDULES)
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer_and_schedule_goes_on(path: Path, name: str, schedule: str) -> None:
    model = torch.nn.Linear(3, 2)
    optimizer, rates = make_optimizer(model.parameters(), 6, name, schedule=schedule)

    def now(progress: dict[str, Any]) -> dict[str, Any]:
        built = {"model": model, "optimizer": optimizer, "schedule": rates}
        plain = {"method": {"alpha": 1.0}, "rng": torch.get_rng_state(), "progress": progress}
        return {key: part.state_dict() for key, part in built.items()} | plain

    progress = {"epoch": 0, "batch": 0, "loss": 0.0, "gradient_norm": 0.0, "tau": 0.0}
    progress |= {"best_score": np.inf, "history": []}
    beginning = copy.deepcopy(now(progress))
    for update in range(1, 7):
        model(torch.ones(1, 3)).sum().backward()
        optimizer.step()
        rates.step()
        epoch, batch = divmod(update, 2)
        history = [{"epoch": i, "loss": 1.0, "validation_d_stsp": None} for i in range(epoch)]
        content = now({**progress, "epoch": epoch, "batch": batch, "history": history})
        save_checkpoint(path, content)
        found = load_training(path, beginning, 3, 2)
        assert_same(found["optimizer"], content["optimizer"])
        assert_same(found["progress"], content["progress"])


@pytest.mark.usefixtures("no_figures")
def test_a_run_of_an_earlier_version_is_neither_continued_nor_begun_again(
    cli: Cli, finished: Finished, tmp_path: Path
) -> None:
    cwd = Path(shutil.copytree(finished.cwd, tmp_path / "copy"))
    folder = RunFolder(run_folder(cwd))
    for path in (folder.last, folder.best):
        path.rename(path.with_suffix(".pt"))
    folder.update_manifest(status="interrupted")
    expected = (
        "checkpoint: {path} was written by an earlier version of sfbptt; accepted: that version to "
        "continue or measure the run, or overwrite=true, which trains it again"
    )
    earlier = folder.last.with_suffix(".pt")
    assert refusal(lambda: latest_checkpoint(folder, load_checkpoint), earlier) == expected
    for arguments in (("train", *TINY), ("evaluate", f"run={folder.path}")):
        outcome = cli(*arguments, cwd=cwd)
        assert outcome.status == 2
        assert ".pt' was written by an earlier version" in outcome.stderr
    assert earlier.exists()
    assert cli("train", *TINY, "overwrite=true", cwd=cwd).status == 0
    assert folder.last.is_file()
    assert not earlier.exists()
