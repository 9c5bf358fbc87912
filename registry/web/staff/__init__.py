"""Pages for staff, behind a sign-in."""
