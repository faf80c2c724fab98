"""What the write-ups get wrong and what they warn of, each run with and without."""
