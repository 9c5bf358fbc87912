"""Numbers in, results out: no input or output, no formatting; scipy only where a quantile is asked for."""
