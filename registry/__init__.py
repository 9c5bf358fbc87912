"""A registry of patient-reported pain before and after spine surgery."""

__version__ = "0.1.0"
