"""MEASUREMENT 3 of 4: what has been measured, ready to be asked for. Knows only the model."""
