"""All tests; folders as in `ARCHITECTURE.md`."""
