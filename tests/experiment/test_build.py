"""The device that is found."""

from __future__ import annotations

import warnings

import pytest
import torch

from sfbptt_cli.common.errors import RequestError
from sfbptt_cli.experiment.build import build_device


@pytest.mark.parametrize("name", ["cuda", "cpu"])
def test_networks_on_a_gpu_keep_all_bits(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", True)
    assert build_device(name).type == name
    assert torch.backends.cudnn.allow_tf32 == (name == "cpu")


def test_what_cudnn_says_of_memory_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", True)
    with warnings.catch_warnings(record=True) as shown:
        warnings.simplefilter("always")
        build_device("cuda")
        for text in (
            "RNN module weights are not part of single contiguous chunk of memory. This means",
            "something else",
        ):
            warnings.warn(text, stacklevel=1)
    assert [str(one.message) for one in shown] == ["something else"]


def test_a_gpu_that_is_not_there_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(RequestError, match=r"^device: cuda was given, but torch sees no GPU"):
        build_device("cuda")
