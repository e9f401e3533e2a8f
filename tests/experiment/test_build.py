"""The device that is found."""

from __future__ import annotations

import pytest
import torch

from sfbptt_cli.common.errors import RequestError
from sfbptt_cli.experiment.build import build_device


@pytest.mark.parametrize(
    ("name", "gpu", "found"),
    [("auto", True, "cuda"), ("cuda", True, "cuda"), ("cpu", True, "cpu"), ("auto", False, "cpu")],
)
def test_networks_on_a_gpu_keep_all_bits(
    monkeypatch: pytest.MonkeyPatch, name: str, gpu: bool, found: str
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpu)
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", True)
    assert build_device(name).type == found
    assert torch.backends.cudnn.allow_tf32 == (found == "cpu")


def test_a_gpu_that_is_not_there_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(RequestError, match=r"^device: cuda was given, but torch sees no GPU"):
        build_device("cuda")
