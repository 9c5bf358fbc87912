"""The commands, as a shell meets them: what they print, where, and with which exit status."""

import json
import math
import re
import shutil
from pathlib import Path

import pytest

from tests.journeys.processes import mails, registry_environment, run
from tests.returned import returned_mail

HEADER = "study_id,sex,birth_year,operated_on,procedure,lumbar_disease,before_on,low_back_before,M12_on,low_back_M12"
COHORT = ["report", "cohort", "--item", "low_back", "--timepoint", "M12", "--grouping", "lumbar_disease"]
# Six patients a group; the expected numbers were worked out with R 4.2.2 (t.test, lm).
SCORES = {
    "without": [(50, 20), (60, 35), (45, 10), (70, 40), (55, 30), (65, 25)],
    "with": [(60, 55), (70, 72), (52, 40), (66, 50), (75, 70), (58, 61)],
}


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    made = registry_environment(tmp_path)
    run(["database", "upgrade"], made)
    return made


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """The patients above, one in each group without an answer after a year, and one whose group is not known."""
    rows = [HEADER]
    for group, pairs in SCORES.items():
        rows += [
            f"{group}-{number},female,1950,2024-05-01,laminoplasty,{group},2024-04-20,{before},2025-05-02,{after}"
            for number, (before, after) in enumerate(pairs)
        ]
        rows.append(f"{group}-lost,male,1949,2024-05-01,laminoplasty,{group},2024-04-20,40,,")
    rows.append("nobody,male,1949,2024-05-01,laminoplasty,,2024-04-20,80,2025-05-02,10")
    path = tmp_path / "patients.csv"
    path.write_text("\n".join(rows) + "\n")
    return path


def test_imported_patients_are_reported_under_the_agreed_keys(environment: dict[str, str], table: Path) -> None:
    assert run(["import", str(table)], environment).stdout.startswith("15 added")

    report = json.loads(run([*COHORT, "--entry", "none", "--format", "json"], environment).stdout)

    named = {"item", "timepoint", "grouping", "entry", "groups", "all", "between", "manifest", "n_unreviewed"}
    assert set(report) == named
    assert (report["item"], report["timepoint"], report["entry"]) == ("low_back", "M12", None)
    assert {name: (group["n"], group["n_enrolled"]) for name, group in report["groups"].items()} == {
        "without": (6, 7),
        "with": (6, 7),
        "unknown": (1, 1),
    }
    group = report["groups"]["without"]
    assert {"n", "n_enrolled", "before", "after", "change", "wilcoxon", "responders"} <= set(group)
    assert {"mean", "sd", "median"} <= set(group["before"]) & set(group["after"])
    assert {"mean", "sd", "ci", "t", "df", "p"} <= set(group["change"])
    assert {"w", "p"} <= set(group["wilcoxon"])
    assert [{"k", "n", "ci"} <= set(group["responders"][name]) for name in ("30pct", "50pct")] == [True, True]
    between = report["between"]
    assert {"estimate", "ci", "t", "df", "p", "slope"} <= set(between["ancova"])
    assert "p" in between["ancova_interaction"]
    assert set(between["welch_change"]) == {"estimate", "ci", "t", "df", "p"}
    assert {"u", "p", "shift"} <= set(between["mann_whitney"])
    assert set(between["hedges_g"]) == {"estimate", "ci"}


def test_the_printed_numbers_are_those_of_r(environment: dict[str, str], table: Path) -> None:
    run(["import", str(table)], environment)

    report = json.loads(run([*COHORT, "--entry", "none", "--format", "json"], environment).stdout)

    change, ancova = report["groups"]["without"]["change"], report["between"]["ancova"]
    # t.test(after, before, paired = TRUE) and lm(after ~ before + group)
    assert math.isclose(change["mean"], -30.8333333333333, rel_tol=1e-12)
    assert math.isclose(change["t"], -12.9209604717372, rel_tol=1e-9)
    assert math.isclose(ancova["estimate"], -25.0155527532577, rel_tol=1e-9)
    assert math.isclose(ancova["p"], 2.77036793032994e-04, rel_tol=1e-7)
    # wilcox.test() paired and of the change by group, lm(after ~ before * group), the exact J with the pooled SD
    ranks, between = report["groups"]["without"]["wilcoxon"], report["between"]
    assert ranks["w"] == 0
    assert math.isclose(ranks["p"], 0.0350149810196625, rel_tol=1e-9)
    assert (between["mann_whitney"]["u"], between["mann_whitney"]["shift"]) == (0, -25)
    assert math.isclose(between["mann_whitney"]["p"], 0.00484660121048849, rel_tol=1e-9)
    assert math.isclose(between["ancova_interaction"]["p"], 0.741126415610566, rel_tol=1e-9)
    assert math.isclose(between["hedges_g"]["estimate"], -3.47572196037865, rel_tol=1e-9)


def test_blocks_that_cannot_be_computed_are_left_out(environment: dict[str, str]) -> None:
    report = json.loads(run([*COHORT, "--format", "json"], environment).stdout)

    for group in report["groups"].values():
        assert set(group) == {"n", "n_enrolled", "responders", "absent"}
        assert (group["n"], group["n_enrolled"], group["absent"]["change"]) == (0, 0, "n = 0")
    assert set(report["between"]) == {"responders", "absent"}
    assert (report["between"]["absent"]["ancova"], report["entry"]) == ("n = 0", 30)
    assert not re.search(r"NaN|Infinity|null", json.dumps(report))


def test_the_text_says_the_difference_before_anything_else(environment: dict[str, str], table: Path) -> None:
    run(["import", str(table)], environment)

    lines = run([*COHORT, "--entry", "none"], environment).stdout.splitlines()

    assert lines[0] == "Low back pain 12 months after the operation"
    assert "points lower than with lumbar disease" in lines[3]


def test_a_table_with_problems_is_listed_and_nothing_of_it_is_written(environment: dict[str, str], table: Path) -> None:
    table.write_text(table.read_text().replace(",50,2025", ",150,2025", 1).replace("male,1949", "man,1949", 1))

    refused = run(["import", str(table)], environment)

    assert (refused.returncode, refused.stdout) == (1, "")
    assert "row 2, low_back_before: '150': above 100" in refused.stderr
    assert ", sex: " in refused.stderr
    assert json.loads(run([*COHORT, "--format", "json"], environment).stdout)["groups"]["with"]["n_enrolled"] == 0


def test_an_unchanged_table_is_already_there(environment: dict[str, str], table: Path) -> None:
    run(["import", str(table)], environment)

    assert "15 already there" in run(["import", str(table)], environment).stdout


def test_a_copy_is_made_while_nobody_else_may_read_it(environment: dict[str, str], table: Path, tmp_path: Path) -> None:
    run(["import", str(table)], environment)
    copy = tmp_path / "copy.db"

    made, again = run(["backup", str(copy)], environment), run(["backup", str(copy)], environment)

    assert (made.returncode, copy.stat().st_mode & 0o777, again.returncode) == (0, 0o600, 1)
    restored = environment | {"REGISTRY_DATABASE_URL": f"sqlite:///{copy}"}
    assert json.loads(run([*COHORT, "--format", "json"], restored).stdout)["groups"]["with"]["n_enrolled"] == 7


def test_a_member_of_staff_is_added_with_a_password_that_is_long_enough(environment: dict[str, str]) -> None:
    short, long = (
        run(["staff", "add", "alice", "--password", password], environment)
        for password in ("short", "correct horse battery")
    )

    assert (short.returncode, long.returncode) == (1, 0)
    assert "12 to 256 characters" in short.stderr


def test_whatever_the_registry_writes_is_for_its_own_account_alone(environment: dict[str, str], tmp_path: Path) -> None:
    run(["demo"], environment)
    run(["reminders", "send"], environment)

    modes = {path.name: path.stat().st_mode & 0o077 for path in tmp_path.rglob("*") if path.name != "patients.csv"}
    assert modes
    assert set(modes.values()) == {0}


@pytest.fixture
def demonstration(environment: dict[str, str]) -> dict[str, str]:
    """A loaded demo registry, whose clock stands still on a Friday."""
    made = environment | {"REGISTRY_DEMO_NOW": "2026-11-20T12:00:00+09:00"}
    run(["demo"], made)
    return made


def test_the_dry_run_names_patients_by_their_study_id_alone(demonstration: dict[str, str]) -> None:
    planned = run(["reminders", "plan", "--days", "30"], demonstration)

    lines = planned.stdout.splitlines()
    assert planned.returncode == 0
    assert lines[-1].startswith("Until 2026-12-20: ")
    assert len(lines) > 20
    assert all(re.fullmatch(LINE, line) for line in lines[:-1])


def days_planned(environment: dict[str, str], **values: str) -> set[str]:
    """The weekdays on which mails of the next month would leave, under these settings."""
    named = {f"REGISTRY_{name}": value for name, value in values.items()}
    planned = run(["reminders", "plan", "--days", "30"], environment | named)
    return set(re.findall(r"^\S+ ([A-Z][a-z]{2})  ", planned.stdout, re.MULTILINE))


def test_the_dry_run_of_the_demo_does_not_wait_for_the_days_of_a_hospital(demonstration: dict[str, str]) -> None:
    assert days_planned(demonstration) >= {"Fri", "Sat", "Sun"}


def test_the_dry_run_of_a_hospital_keeps_to_its_days(environment: dict[str, str]) -> None:
    run(["demo"], environment)

    days = days_planned(environment, DEMO_ENABLED="false", WEB_BASE_URL="https://registry.example.org")

    assert days
    assert days <= {"Mon", "Tue", "Wed", "Thu"}


LINE = r"2026-1[12]-\d\d (Mon|Tue|Wed|Thu|Fri|Sat|Sun)  D-\d{3}  (before|M\d+)  mail \d+(  not sent: [a-z ]+)?"


def test_returned_mails_are_read_where_the_settings_say(environment: dict[str, str], tmp_path: Path) -> None:
    folder = tmp_path / "returned"
    source = {"REGISTRY_BOUNCES_ADDRESS": "bounces@hospital.example", "REGISTRY_BOUNCES_FOLDER": str(folder)}
    nowhere, missing = run(["bounces", "read"], environment), run(["bounces", "read"], environment | source)
    folder.mkdir()
    empty = run(["bounces", "read"], environment | source)
    (folder / "1").write_bytes(returned_mail("postfix-unknown-user"))
    (folder / "2").write_bytes(returned_mail("vacation-by-header"))
    read = run(["bounces", "read"], environment | source)

    assert (nowhere.returncode, missing.returncode, empty.returncode, read.returncode) == (1, 1, 0, 0)
    assert "the settings name no place where mails come back to" in nowhere.stderr
    assert "registry: bounces.folder: FileNotFoundError" in missing.stderr
    assert (empty.stdout, read.stdout) == ("Nothing came back.\n", "1 auto_reply, 1 unsigned\n")
    assert ((folder / "odd" / "1").exists(), (folder / "done" / "2").exists()) == (True, True)


def test_a_copy_of_the_registry_sends_nothing_until_a_person_says_so(
    demonstration: dict[str, str], tmp_path: Path
) -> None:
    later = demonstration | {"REGISTRY_DEMO_NOW": "2027-01-20T10:00:00+09:00"}
    key_file = Path(demonstration["REGISTRY_SECURITY_KEY_FILE"])
    original = run(["reminders", "send"], demonstration)
    (tmp_path / "copy").mkdir()
    shutil.copy(key_file, tmp_path / "copy" / key_file.name)
    shutil.copytree(key_file.parent / "sending", tmp_path / "copy" / "sending")
    copy = later | {"REGISTRY_SECURITY_KEY_FILE": str(tmp_path / "copy" / key_file.name)}
    n_mails = len(mails(demonstration))

    held = run(["reminders", "send"], copy)
    n_held = len(mails(demonstration))
    resumed = run(["reminders", "resume"], copy)
    sent = run(["reminders", "send"], copy)

    assert (original.returncode, "accepted" in original.stdout) == (0, True)
    assert (held.returncode, held.stdout, n_held) == (1, "", n_mails)
    assert held.stderr.startswith("registry: no mail leaves: this database was served by another installation")
    assert (resumed.returncode, "Mails leave again" in resumed.stdout) == (0, True)
    assert (sent.returncode, len(mails(demonstration)) > n_mails) == (0, True)
    assert run(["reminders", "send"], later).returncode == 1
