"""Stands in for the package that only Colab has; see `tests/teach/test_setup_cell.py`."""
