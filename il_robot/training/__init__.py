"""Training: windows of episodes, one loop for every policy, checkpoints that hold no code, evaluation. Needs torch."""
