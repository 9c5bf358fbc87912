"""What the tests against R share: reading its numbers, comparing with them, and running its script again."""

from __future__ import annotations

import csv
import math
import shutil
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path

from registry.statistics.results import Comparison
from tests.parts import R_MISSING, missing

HERE = Path(__file__).parent
RELATIVE_TOLERANCE = 1e-8

Key = tuple[str, str, str]


def read_witness(path: Path) -> dict[Key, float]:
    with path.open(encoding="utf-8") as file:
        assert file.readline().startswith("# R version ")
        return {(row["cohort"], row["group"], row["statistic"]): float(row["value"]) for row in csv.DictReader(file)}


def read_rows(name: str) -> list[dict[str, str]]:
    with (HERE / name).open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def differing(ours: Mapping[Key, float], witness: Mapping[Key, float]) -> dict[Key, tuple[float, float | None]]:
    """The numbers that the witness does not have, or has otherwise."""
    return {
        key: (value, witness.get(key))
        for key, value in ours.items()
        if key not in witness or not math.isclose(value, witness[key], rel_tol=RELATIVE_TOLERANCE, abs_tol=1e-12)
    }


def with_test(prefix: str, result: object) -> dict[str, float]:
    """A comparison with its test, under the names that the scripts use."""
    assert isinstance(result, Comparison)
    return {
        f"{prefix}_estimate": result.estimate.value,
        f"{prefix}_low": result.estimate.low,
        f"{prefix}_high": result.estimate.high,
        f"{prefix}_se": result.standard_error,
        f"{prefix}_t": result.test.t,
        f"{prefix}_df": result.test.df,
        f"{prefix}_p": result.test.p,
    }


def run_again(script: str, *, inputs: Iterable[str], folder: Path, packages: Iterable[str] = ()) -> dict[Key, float]:
    """The numbers of the script, run in this folder; skipped where R or one of its packages is missing."""
    rscript = shutil.which("Rscript")
    if rscript is None:
        missing(R_MISSING)
    for package in packages:
        asked = [rscript, "--vanilla", "-e", f'quit(status = !requireNamespace("{package}", quietly = TRUE))']
        if subprocess.run(asked, check=False, capture_output=True, timeout=120).returncode:
            missing(f"The R package {package} is not installed (Debian: apt-get install r-cran-{package})")
    for name in (f"{script}.R", *inputs):
        shutil.copy(HERE / name, folder)
    subprocess.run([rscript, "--vanilla", f"{script}.R"], cwd=folder, check=True, timeout=120)
    return read_witness(folder / f"{script}_r.csv")
