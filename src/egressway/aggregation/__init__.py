"""MEASUREMENT 2 of 4: receives the usage reports of nodes and hands them on, parsed."""
