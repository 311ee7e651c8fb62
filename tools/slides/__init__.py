"""Notebooks become decks: `make slides`, or

    python -m tools.slides [--out build/slides] [--no-pdf] [02 ...]

Each notebook becomes one HTML file that holds everything (reveal.js, fonts, mathematics, figures,
explorers): it works from a stick, without a network, and asks no other file. Chromium prints a PDF
of each. `index.html` lists them.

The slide types of the cells make the slides; `slides/deck.js` finds, when the deck opens, the
layout and the type size with which each slide fits into 1280 x 720, and continues on a second
slide what would become too small. What this
folder does needs no browser.
"""
