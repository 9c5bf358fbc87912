"""Mails: as data, as bytes, and on their way."""
