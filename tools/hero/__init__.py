"""The README's picture, made by the repository itself: `python -m tools.hero`.

Left a scene of Shapes, in the middle the four maps of `ssd_tiny`, right the answer. With the
shipped weights, the cells are as bright as the network is sure of an object there, and every
thread leads from the prior that won to its detection. Without them, the picture shows the ground
truth and the priors matched to it, and says so.
"""
