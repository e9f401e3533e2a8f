"""The quick start of neuralrnn 0.4.0, run by its own Python: TRAIN.npy TEST.npy STEPS OUT.npy.

Prints the seconds of its training and writes a free run of STEPS steps from the first test point.
"""

import sys
import time

import numpy as np
import torch
from neuralrnn import (  # pyright: ignore[reportMissingImports]
    AutoConfig,
    AutoModel,
    TeacherForcingObjective,
    Trainer,
    TrainingArguments,
)
from neuralrnn.data.reconstruction_dataset import (  # pyright: ignore[reportMissingImports]
    ReconstructionDataset,
)

train, test, steps, out = sys.argv[1:]
torch.set_num_threads(1)
torch.manual_seed(0)
data = ReconstructionDataset.from_timeseries(
    np.load(train), sequence_length=200, batch_size=16, normalize=True
)
shape = {"input_dim": 0, "latent_dim": 3, "output_dim": 3, "hidden_dim": 50, "autonomous": True}
model = AutoModel.from_config(AutoConfig.for_model("shallow_plrnn", **shape))
begun = time.perf_counter()
# The quick start leaves every other argument as it is; its bar would be in the way here.
arguments = TrainingArguments(max_steps=2000, disable_progress_bar=True)
Trainer(model, data, TeacherForcingObjective(alpha=0.1), arguments).train()
print(time.perf_counter() - begun)
first = torch.from_numpy(np.load(test)[:1]).float()
start = model.init_state_from_obs(data.normalizer.transform(first))
with torch.no_grad():
    observed = model.readout(model.generate(start, int(steps))[0, 1:])
np.save(out, data.normalizer.inverse_transform(observed).numpy())
