"""What all experiments share: results, tables, plots, verdicts, search by halving, and the list of experiments."""
