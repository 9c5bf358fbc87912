"""Reports: a definition in, results out; pages, commands and figures show the same results."""
