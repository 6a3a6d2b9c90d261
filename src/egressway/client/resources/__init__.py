"""One file per resource of the API: which path, which body, which object comes back."""
