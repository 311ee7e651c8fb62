"""As much of the package that only Colab has as a notebook may ask for.

`google` itself is a namespace that others share (protobuf), here as on Colab. See
`tests/tools/test_setup_cell.py` and `tests/test_colab.py`.
"""
