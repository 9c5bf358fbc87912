"""What importing the statistics may load: nothing of numpy, scipy or matplotlib."""

from __future__ import annotations

import json
import subprocess
import sys

EVERY_MODULE = """
import pkgutil, importlib, registry.statistics as package
for module in pkgutil.iter_modules(package.__path__):
    importlib.import_module(f"registry.statistics.{module.name}")
assert "registry.statistics.comparison" in __import__("sys").modules
"""


def loaded_after(code: str) -> set[str]:
    script = f"{code}\nimport json, sys\nprint(json.dumps(sorted(sys.modules)))"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return {name.partition(".")[0] for name in json.loads(run.stdout)}


def test_importing_every_statistic_loads_no_scientific_library() -> None:
    assert not {"numpy", "scipy", "matplotlib", "pandas"} & loaded_after(EVERY_MODULE)


def test_asking_for_a_quantile_loads_scipy() -> None:
    # The test above proves something only if scipy is really used, and seen by this way of looking.
    asking = "from registry.statistics.distributions import t_quantile\nt_quantile(0.975, df=9)"

    assert "scipy" in loaded_after(asking)
