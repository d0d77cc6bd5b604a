"""A training run: the loop in a folder, processes, counter-based random numbers, checkpoints, snapshots."""
