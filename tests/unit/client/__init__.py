"""Tests of the typed client, against a real server that says what a test told it to."""
