"""What turns the Markdown of docs/ into the site and the paper; no stage and no part of the mathematics needs it."""
