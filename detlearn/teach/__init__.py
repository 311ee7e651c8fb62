"""What the notebooks need beside the detectors: exercises, proofs, and the builder."""
