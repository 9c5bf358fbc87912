"""The house stands as drawn: imports go down, modules stay small, forms and mails load no scientific library."""

import ast
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
MODULES = sorted((ROOT / "registry").rglob("*.py"))

LONGEST_FUNCTION = 40
LONGEST_MODULE = 299
SCIENTIFIC = {"numpy", "scipy", "matplotlib", "pandas", "statsmodels"}

LINT = "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports(sys.argv[1], no_cache=True))"

BROKEN_CONTRACT = """
[tool.importlinter]
root_package = "registry"

[[tool.importlinter.contracts]]
name = "Pages use no services"
type = "forbidden"
source_modules = ["registry.web"]
forbidden_modules = ["registry.services"]
"""


def _lint(configuration: Path) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": str(ROOT), "NO_COLOR": "1"}
    command = [sys.executable, "-c", LINT, str(configuration)]
    return subprocess.run(
        command, cwd=configuration.parent, env=environment, capture_output=True, text=True, check=False
    )


def _long_functions(source: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            n_lines = (node.end_lineno or node.lineno) - node.lineno + 1
            if n_lines > LONGEST_FUNCTION:
                yield f"{node.name}: {n_lines} lines"


def _loaded_after(code: str) -> set[str]:
    script = f"{code}\nimport json, sys\nprint(json.dumps(sorted(sys.modules)))"
    run = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    return {name.partition(".")[0] for name in json.loads(run.stdout)}


def test_imports_keep_the_contracts() -> None:
    run = _lint(ROOT / "pyproject.toml")

    assert run.returncode == 0, run.stdout + run.stderr


def test_broken_contract_is_found(tmp_path: Path) -> None:
    configuration = tmp_path / "pyproject.toml"
    configuration.write_text(BROKEN_CONTRACT)

    run = _lint(configuration)

    assert run.returncode == 1
    assert "Pages use no services BROKEN" in run.stdout


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_module_and_its_functions_stay_small(path: Path) -> None:
    source = path.read_text()

    assert len(source.splitlines()) <= LONGEST_MODULE
    assert list(_long_functions(source)) == []


def test_long_function_is_found() -> None:
    body = "    pass\n" * LONGEST_FUNCTION

    assert list(_long_functions(f"def fits():\n{body[:-9]}")) == []
    assert list(_long_functions(f"class A:\n  def long(self):\n{body}")) == ["long: 41 lines"]


@pytest.mark.parametrize("module", ["registry.web.app", "registry.scheduler"])
def test_process_loads_no_scientific_library(module: str) -> None:
    loaded = _loaded_after(f"import {module}")

    assert "registry" in loaded
    assert not SCIENTIFIC & loaded


def test_scientific_library_that_is_loaded_is_found() -> None:
    assert {"numpy", "scipy"} <= _loaded_after("from scipy import special")
