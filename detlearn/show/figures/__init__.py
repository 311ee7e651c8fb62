"""The course's pictures, one file a subject: what a file's `__all__` names is what there is.

One house style for all of them: light background, large type, the Okabe-Ito palette, and never a
meaning told by colour alone (names, numbers, dashes and markers say it too). Every `draw_`
function returns a `Figure` with alternative text and leaves nothing behind.
"""

from typing import TYPE_CHECKING

from detlearn.show.figures.boxes import *  # noqa: F403
from detlearn.show.figures.check_up import *  # noqa: F403
from detlearn.show.figures.coverage import *  # noqa: F403
from detlearn.show.figures.experiments import *  # noqa: F403
from detlearn.show.figures.face_measures import *  # noqa: F403
from detlearn.show.figures.face_off import *  # noqa: F403
from detlearn.show.figures.faces import *  # noqa: F403
from detlearn.show.figures.hrnet import *  # noqa: F403
from detlearn.show.figures.m2det import *  # noqa: F403
from detlearn.show.figures.m2det_values import *  # noqa: F403
from detlearn.show.figures.matching import *  # noqa: F403
from detlearn.show.figures.metrics import *  # noqa: F403
from detlearn.show.figures.network import *  # noqa: F403
from detlearn.show.figures.overview import *  # noqa: F403
from detlearn.show.figures.pictures import *  # noqa: F403
from detlearn.show.figures.poses import *  # noqa: F403
from detlearn.show.figures.priors import *  # noqa: F403
from detlearn.show.figures.refinedet import *  # noqa: F403
from detlearn.show.figures.refinedet_maps import *  # noqa: F403
from detlearn.show.figures.system import *  # noqa: F403
from detlearn.show.figures.training import *  # noqa: F403

if not TYPE_CHECKING:  # type checkers read no computed list: they take the stars as they stand
    __all__ = [name for name in dir() if name.startswith(("draw_", "save_"))]
