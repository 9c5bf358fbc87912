"""Pages that patients see, behind a link and without an account."""
