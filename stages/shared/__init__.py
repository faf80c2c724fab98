"""What the stages share: parameters and their schema, files, errors, images, splits, models, figures."""
