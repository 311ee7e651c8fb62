"""Sources become notebooks: build, check, lint, student copies.

People edit `notebooks/src/NN_name.py` (jupytext's py:percent format); everything else reads
`notebooks/NN_name.ipynb`, which is made from it and committed: Colab opens it, GitHub shows it,
and nbval compares what it prints.

    python -m tools.course open                open JupyterLab on the first notebook
    python -m tools.course update              the newest course, with a student's answers in it
    python -m tools.course build [02 ...]      execute and write
    python -m tools.course setup [02 ...]      write set-up cells anew, execute nothing
    python -m tools.course explorers [02 ...]  write explorers anew, execute nothing
    python -m tools.course check [02 ...]      do products agree with their sources?
    python -m tools.course lint [02 ...]       form, taught definitions, sizes
    python -m tools.course student --out DIR   copies for a class

A cell starts with its marker; what follows on that line is metadata:

    # %% [markdown] id="where-sizes-come-from" slide="slide"
    # ## Where the sizes come from
    #
    # Prose in comments.

    # %% slide="fragment" tags=["teaches:detlearn.boxes.priors:PriorBox"]
    class PriorBox: ...

* `slide` is one of slide, subslide, fragment, notes, skip, and "-" (continues the cell above).
* `id` names the cell in links and messages; without it the heading, the definition or the first
  words name it.
* `tags`: see `tools.course.lint.TAGS`.

The first cell is the title (`# 02 · PriorBox`); the builder puts the badge below it. The second
is a code cell tagged `setup`, empty in the source; the builder fills it from `src/_setup.py`.
"""
