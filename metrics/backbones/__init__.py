"""Networks that turn frames or clips into features, each with its own resizing, ranges and layout."""
