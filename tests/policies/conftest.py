from __future__ import annotations

import torch

# Small networks: more threads would only wait for each other.
torch.set_num_threads(1)
