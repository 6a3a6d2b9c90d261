"""Tests with processes of their own, kernel views and thousands of sockets; run by `make e2e`."""
