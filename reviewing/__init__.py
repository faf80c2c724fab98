"""What a reviewer of a change needs; no stage needs it."""
