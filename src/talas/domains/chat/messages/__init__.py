"""What is done with messages that have been sent: edits, deletions, reactions, pins, mentions."""
