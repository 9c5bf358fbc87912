"""Pictures drawn from results: each function takes results and words, and returns an image."""
