"""What the notebooks need beside the detectors: exercises and proofs."""
