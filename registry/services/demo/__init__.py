"""The demo registry: a simulated cohort with a planted truth, shaped like the published study."""

from registry.services.demo.loading import SIGN_INS, DemoLoaded, DemoRefused, load_demo

__all__ = ["SIGN_INS", "DemoLoaded", "DemoRefused", "load_demo"]
