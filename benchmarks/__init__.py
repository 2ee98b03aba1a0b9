"""What `make bench` runs: one table of what was measured against the targets."""
