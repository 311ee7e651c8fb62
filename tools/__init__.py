"""What only a clone of the course needs; run from its root, `python -m tools.NAME`."""
