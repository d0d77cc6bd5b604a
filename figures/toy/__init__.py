"""The experiments in the 2D world, one module each."""
