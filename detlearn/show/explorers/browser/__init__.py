"""Explorers that run in the reader's browser: one self-contained ES module each, no kernel."""

from typing import TYPE_CHECKING

from detlearn.show.explorers.browser.attention import *  # noqa: F403
from detlearn.show.explorers.browser.average_precision import *  # noqa: F403
from detlearn.show.explorers.browser.branches import *  # noqa: F403
from detlearn.show.explorers.browser.face_off import *  # noqa: F403
from detlearn.show.explorers.browser.faces import *  # noqa: F403
from detlearn.show.explorers.browser.fuse_matrix import *  # noqa: F403
from detlearn.show.explorers.browser.hard_negatives import *  # noqa: F403
from detlearn.show.explorers.browser.heat_map import *  # noqa: F403
from detlearn.show.explorers.browser.level_maps import *  # noqa: F403
from detlearn.show.explorers.browser.matching import *  # noqa: F403
from detlearn.show.explorers.browser.nms import *  # noqa: F403
from detlearn.show.explorers.browser.prior_box import *  # noqa: F403
from detlearn.show.explorers.browser.pyramid import *  # noqa: F403
from detlearn.show.explorers.browser.refinement import *  # noqa: F403
from detlearn.show.explorers.browser.sessions import *  # noqa: F403
from detlearn.show.explorers.browser.shape_tables import *  # noqa: F403
from detlearn.show.explorers.browser.thresholds import *  # noqa: F403
from detlearn.show.explorers.browser.transfer import *  # noqa: F403
from detlearn.show.explorers.browser.u_shape import *  # noqa: F403

if not TYPE_CHECKING:  # type checkers read no computed list: they take the stars as they stand
    __all__ = [name for name in dir() if name.endswith("Explorer")]
