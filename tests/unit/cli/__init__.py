"""Tests of the command line: its output word by word, and whole stories against the real API."""
