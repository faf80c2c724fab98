"""What a person runs by hand, beside the pipeline."""
