"""Rows: how they are kept, and the questions asked of them."""
