"""Everything that shows: figures with alternative text, shape tables, explorers.

Nothing here is taught, so nothing here is in a notebook: code there teaches, it does not draw.
matplotlib is imported when something is drawn, not before. A figure's or an explorer's name
stands in the `__all__` of its own file, and in no other list.
"""

from typing import TYPE_CHECKING

from detlearn.show import explorers, figures
from detlearn.show.explorers import *  # noqa: F403
from detlearn.show.figure import Figure, figure
from detlearn.show.figures import *  # noqa: F403
from detlearn.show.live import LiveCurve
from detlearn.show.module_table import ModuleTable, module_table
from detlearn.show.page import DetectorPage
from detlearn.show.receptive_field import ReceptiveField, receptive_field
from detlearn.show.shape_table import ShapeTable, shape_table
from detlearn.show.word_table import WordTable

if not TYPE_CHECKING:  # type checkers read no computed list: they take the stars as they stand
    __all__ = [
        "DetectorPage",
        "Figure",
        "LiveCurve",
        "ModuleTable",
        "ReceptiveField",
        "ShapeTable",
        "WordTable",
        "figure",
        "module_table",
        "receptive_field",
        "shape_table",
    ]
    __all__ += explorers.__all__
    __all__ += figures.__all__
