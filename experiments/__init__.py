"""What the course says about learning, tried: see experiments/README.md."""
