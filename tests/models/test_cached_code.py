"""A kernel rounds alike in the process that compiles it and in those that find it compiled."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

_PROGRAM = """
import hashlib, sys
import numpy as np, torch
from sfbptt_cli.experiment.build import build_model
from sfbptt_cli.models.settings import MODEL_SETTINGS

name = sys.argv[1]
model = build_model(MODEL_SETTINGS[name](name=name, latent_dim=30), 3, 0, seed=0)
start = np.random.default_rng(0).standard_normal((128, model.state_dim))
state = torch.from_numpy(start).float().requires_grad_()
latents, last = model.rollout(state, 30)
(latents.square().sum() + last.square().sum()).backward()
found = [latents, state.grad, *(p.grad for p in model.parameters() if p.grad is not None)]
print(hashlib.sha256(b"".join(x.detach().numpy().tobytes() for x in found)).hexdigest())
"""


@pytest.mark.parametrize("name", ["lstm", "plrnn"])
def test_code_from_the_cache_gives_the_same_bits(name: str, tmp_path: Path) -> None:
    def digest() -> str:
        environment = {**os.environ, "SFBPTT_CACHE": str(tmp_path), "OMP_NUM_THREADS": "1"}
        command = [sys.executable, "-c", _PROGRAM, name]
        return subprocess.run(
            command, env=environment, capture_output=True, text=True, check=True
        ).stdout

    assert digest() == digest()
