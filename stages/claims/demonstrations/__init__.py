"""What the write-ups get wrong and what they rightly warn of, each run with and without."""
