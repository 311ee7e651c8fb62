"""Stands in for the package that only Colab has; see `tests/tools/test_setup_cell.py`."""
