"""As much of `google.colab` as a notebook may ask for: that it is there."""
