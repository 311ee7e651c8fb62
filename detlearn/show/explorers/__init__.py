"""Explorers: pictures that answer to sliders, one self-contained ES module each."""

from detlearn.show.explorers.attention import AttentionExplorer
from detlearn.show.explorers.average_precision import AveragePrecisionExplorer
from detlearn.show.explorers.branches import BranchExplorer
from detlearn.show.explorers.detections import DetectionExplorer
from detlearn.show.explorers.feature_maps import FeatureMapExplorer
from detlearn.show.explorers.fuse_matrix import FuseMatrixExplorer
from detlearn.show.explorers.hard_negatives import HardNegativesExplorer
from detlearn.show.explorers.heat_map import HeatMapExplorer
from detlearn.show.explorers.level_maps import LevelScaleExplorer, TUMWalker
from detlearn.show.explorers.matching import MatchingExplorer
from detlearn.show.explorers.nms import NMSExplorer
from detlearn.show.explorers.prior_box import PriorBoxExplorer
from detlearn.show.explorers.refinement import RefinementExplorer
from detlearn.show.explorers.shape_tables import ShapeTableExplorer
from detlearn.show.explorers.transfer import TransferExplorer

__all__ = [
    "AttentionExplorer",
    "AveragePrecisionExplorer",
    "BranchExplorer",
    "DetectionExplorer",
    "FeatureMapExplorer",
    "FuseMatrixExplorer",
    "HardNegativesExplorer",
    "HeatMapExplorer",
    "LevelScaleExplorer",
    "MatchingExplorer",
    "NMSExplorer",
    "PriorBoxExplorer",
    "RefinementExplorer",
    "ShapeTableExplorer",
    "TUMWalker",
    "TransferExplorer",
]
