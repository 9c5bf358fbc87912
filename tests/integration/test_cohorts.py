"""The counts behind a report, against a second reading of the rules in plain Python over random registries."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from random import Random
from typing import Any

import pytest
from sqlalchemy import insert
from sqlmodel import Session, SQLModel

from registry.domain.vocabularies import Evidence, OperationState, Region, Sex, Suspicion
from registry.storage.cohorts import CohortQuery, count_unreviewed, pair_counts, timepoint_counts
from registry.storage.database import Database
from registry.storage.models import (
    Answer,
    Assessment,
    Classification,
    FollowUp,
    Operation,
    Patient,
    Site,
)

# The comparison with the second reading runs on both databases; each rule by itself is tried on one.

TODAY = date(2026, 11, 20)
NOW = datetime(2026, 11, 20, tzinfo=UTC)
TIMEPOINTS = ("before", "M3", "M12")
DAY = timedelta(days=1)
Row = dict[str, Any]


@dataclass
class Rows:
    """A registry as plain rows; ids count from 1 in the order of insertion."""

    tables: dict[type[SQLModel], list[Row]] = field(default_factory=dict)

    def add(self, table: type[SQLModel], **values: object) -> int:
        rows = self.tables.setdefault(table, [])
        rows.append({"id": len(rows) + 1, **values})
        return len(rows)

    def all(self, table: type[SQLModel]) -> list[Row]:
        return self.tables.get(table, [])

    # Each of these adds one row with what does not matter filled in.

    def patient(self, site_id: int = 1) -> int:
        number = len(self.all(Patient)) + 1
        person = {"sex": Sex.FEMALE, "birth_year": 1950, "language": "en", "created_at": NOW}
        return self.add(Patient, public_id=f"p{number}", site_id=site_id, study_id=f"T-{number}", **person)

    def operation(self, patient_id: int, operated_on: date, state: OperationState = OperationState.PERFORMED) -> int:
        is_performed = state == OperationState.PERFORMED
        days = {"planned_on": operated_on, "operated_on": operated_on if is_performed else None}
        kind = {"region": Region.CERVICAL, "procedure": "laminoplasty", "recorded_at": NOW}
        return self.add(Operation, patient_id=patient_id, state=state, **days, **kind)

    def follow_up(self, operation_id: int, timepoint: str, opens_on: date, closes_on: date) -> int:
        patient_id = self.all(Operation)[operation_id - 1]["patient_id"]
        days = {"opens_on": opens_on, "due_on": opens_on, "closes_on": closes_on}
        return self.add(FollowUp, patient_id=patient_id, operation_id=operation_id, timepoint=timepoint, **days)

    def assessment(self, follow_up_id: int, *, is_sent: bool = True) -> int:
        patient_id = self.all(FollowUp)[follow_up_id - 1]["patient_id"]
        number = len(self.all(Assessment)) + 1
        at = {"started_at": NOW, "submitted_at": NOW if is_sent else None}
        return self.add(
            Assessment, follow_up_id=follow_up_id, patient_id=patient_id, reference=f"r{number}", language="en", **at
        )

    def answer(
        self,
        assessment_id: int,
        score: int | None,
        answered_on: date,
        *,
        item: str = "low_back",
        is_current: bool = True,
    ) -> int:
        same = [a for a in self.all(Answer) if (a["assessment_id"], a["item"]) == (assessment_id, item)]
        about = {"instrument_version": "v", "language": "en", "recorded_at": NOW}
        return self.add(
            Answer,
            assessment_id=assessment_id,
            item=item,
            version=len(same) + 1,
            score=score,
            is_skipped=score is None,
            answered_on=answered_on,
            superseded_at=None if is_current else NOW,
            **about,
        )

    def group(self, patient_id: int, group: str, *, grouping: str = "lumbar_disease", is_current: bool = True) -> int:
        return self.add(
            Classification,
            patient_id=patient_id,
            grouping_code=grouping,
            group_code=group,
            evidence=Evidence.MRI,
            assessed_by="",
            recorded_at=NOW,
            superseded_at=None if is_current else NOW,
        )

    def store(self, session: Session) -> None:
        session.add(Site(code="OTHER"))
        session.flush()
        for table in (Patient, Operation, FollowUp, Assessment, Answer, Classification):
            if self.all(table):
                session.execute(insert(table), self.all(table))


# The second reading


def score_at(rows: Rows, operation: Row, timepoint: str, item: str) -> int | None:
    windows = [f for f in rows.all(FollowUp) if (f["operation_id"], f["timepoint"]) == (operation["id"], timepoint)]
    found = []
    for answer in rows.all(Answer):
        assessment = rows.all(Assessment)[answer["assessment_id"] - 1]
        own_form = rows.all(FollowUp)[assessment["follow_up_id"] - 1]
        counts = (
            assessment["patient_id"] == operation["patient_id"]
            and answer["item"] == item
            and answer["superseded_at"] is None
            and answer["score"] is not None
            and (assessment["submitted_at"] is not None or own_form["closes_on"] < TODAY)
        )
        if counts and any(w["opens_on"] <= answer["answered_on"] <= w["closes_on"] for w in windows):
            found.append((answer["answered_on"], answer["id"], answer["score"]))
    return max(found)[2] if found else None


def group_of(rows: Rows, patient_id: int, grouping: str) -> str:
    wanted = (patient_id, grouping, None)
    found = [
        c["group_code"]
        for c in rows.all(Classification)
        if (c["patient_id"], c["grouping_code"], c["superseded_at"]) == wanted
    ]
    return found[0] if found else "unknown"


def index_operations(rows: Rows, site_id: int | None) -> list[Row]:
    first: dict[int, Row] = {}
    for operation in rows.all(Operation):
        patient = rows.all(Patient)[operation["patient_id"] - 1]
        if operation["state"] != OperationState.PERFORMED or site_id not in (None, patient["site_id"]):
            continue
        standing = first.get(patient["id"])
        if standing is None or operation["operated_on"] < standing["operated_on"]:
            first[patient["id"]] = operation
    return list(first.values())


def expected_pairs(rows: Rows, query: CohortQuery, timepoint: str) -> Counter[tuple[object, ...]]:
    return Counter(
        (
            group_of(rows, operation["patient_id"], query.grouping),
            score_at(rows, operation, "before", query.item),
            score_at(rows, operation, timepoint, query.item),
        )
        for operation in index_operations(rows, query.site_id)
    )


def expected_timepoints(rows: Rows, query: CohortQuery) -> Counter[tuple[object, ...]]:
    found: Counter[tuple[object, ...]] = Counter()
    for operation in index_operations(rows, query.site_id):
        for timepoint in TIMEPOINTS:
            score = score_at(rows, operation, timepoint, query.item)
            if score is not None:
                group = group_of(rows, operation["patient_id"], query.grouping)
                found[(group, timepoint, score_at(rows, operation, "before", query.item), score)] += 1
    return found


def counted_pairs(database: Database, query: CohortQuery, timepoint: str = "M12") -> Counter[tuple[object, ...]]:
    with database.reading() as session:
        rows = pair_counts(session, query, timepoint=timepoint)
    assert len({(row.group, row.before, row.after) for row in rows}) == len(rows)
    return Counter({(row.group, row.before, row.after): row.n for row in rows})


def counted_timepoints(database: Database, query: CohortQuery) -> Counter[tuple[object, ...]]:
    with database.reading() as session:
        rows = timepoint_counts(session, query, timepoints=TIMEPOINTS)
    return Counter({(row.group, row.timepoint, row.before, row.score): row.n for row in rows})


# Random registries


def random_rows(seed: int, n_patients: int = 60) -> Rows:
    """Few days and few scores, so that ties, overlaps and boundaries are common."""
    random, rows = Random(seed), Rows()
    for _ in range(n_patients):
        random_groups(random, rows, rows.patient(site_id=random.choice((1, 2))))
    for patient in rows.all(Patient):
        for _ in range(random.choice((0, 1, 1, 2, 3))):
            state = random.choice([OperationState.PERFORMED] * 3 + list(OperationState))
            rows.operation(patient["id"], TODAY - DAY * random.randrange(0, 30, 5), state)
    for operation in rows.all(Operation):
        for timepoint in random.sample(TIMEPOINTS, random.choice((2, 3, 3))):
            opens_on = TODAY - DAY * random.randrange(-5, 40)
            rows.follow_up(operation["id"], timepoint, opens_on, opens_on + DAY * random.randrange(40))
    for follow_up in rows.all(FollowUp):
        if random.random() < 0.8:
            random_answers(random, rows, rows.assessment(follow_up["id"], is_sent=random.random() < 0.6))
    return rows


def random_groups(random: Random, rows: Rows, patient_id: int) -> None:
    for grouping in ("lumbar_disease", "another"):
        if random.random() < 0.5:
            rows.group(patient_id, random.choice(("with", "without")), grouping=grouping, is_current=False)
        if random.random() < 0.7:
            rows.group(patient_id, random.choice(("with", "without", "unknown")), grouping=grouping)


def random_answers(random: Random, rows: Rows, assessment_id: int) -> None:
    for item in ("low_back", "neck"):
        for is_current in (False, True):
            if random.random() < 0.6:
                score = random.choice((None, 0, 30, 50, 100))
                answered_on = TODAY - DAY * random.randrange(-5, 45)
                rows.answer(assessment_id, score, answered_on, item=item, is_current=is_current)


QUERIES = [
    CohortQuery("low_back", "lumbar_disease", TODAY),
    CohortQuery("low_back", "lumbar_disease", TODAY, site_id=2),
    CohortQuery("neck", "another", TODAY, site_id=1),
    CohortQuery("neck", "no such grouping", TODAY),
]


@pytest.mark.parametrize("seed", range(3))
def test_counts_agree_with_a_second_reading(database: Database, seed: int) -> None:
    rows = random_rows(seed)
    with database.transaction() as session:
        rows.store(session)

    for query in QUERIES:
        for timepoint in ("M3", "M12", "M99"):
            assert counted_pairs(database, query, timepoint) == expected_pairs(rows, query, timepoint)
        assert counted_timepoints(database, query) == expected_timepoints(rows, query)


def test_random_registries_hold_what_the_rules_are_about() -> None:
    """The negative control: the comparison above would be empty without these."""
    pairs = expected_pairs(random_rows(0), QUERIES[0], "M12")

    assert {group for group, _, _ in pairs} == {"with", "without", "unknown"}
    assert any(before is None for _, before, _ in pairs)
    assert any(after is None for _, _, after in pairs)
    assert any(before is not None and after is not None for _, before, after in pairs)


# One rule at a time

OPERATED_ON = date(2025, 11, 20)
BEFORE = (OPERATED_ON - DAY * 60, OPERATED_ON)
AFTER = (date(2026, 11, 6), date(2027, 2, 18))


@pytest.fixture
def rows() -> Rows:
    """One patient `with`, a score of 60 before, and an open form after a year without an answer."""
    rows = Rows()
    patient_id = rows.patient()
    rows.group(patient_id, "with")
    operation_id = rows.operation(patient_id, OPERATED_ON)
    before = rows.follow_up(operation_id, "before", *BEFORE)
    rows.follow_up(operation_id, "M12", *AFTER)
    rows.answer(rows.assessment(before), 60, OPERATED_ON)
    return rows


def counted(database: Database, rows: Rows, **changes: Any) -> list[tuple[object, ...]]:
    with database.transaction() as session:
        rows.store(session)
    query = CohortQuery(**({"item": "low_back", "grouping": "lumbar_disease", "today": TODAY} | changes))
    return sorted(counted_pairs(database, query).elements(), key=str)


def test_a_missing_score_is_counted_as_missing(database: Database, rows: Rows) -> None:
    assert counted(database, rows) == [("with", 60, None)]


@pytest.mark.parametrize(
    ("answered_on", "after"),
    [
        (AFTER[0] - DAY, None),
        (AFTER[0], 20),
        (AFTER[1], 20),
        (AFTER[1] + DAY, None),
    ],
)
def test_a_score_counts_from_the_first_to_the_last_day(
    database: Database, rows: Rows, answered_on: date, after: int | None
) -> None:
    rows.answer(rows.assessment(2), 20, answered_on)

    assert counted(database, rows) == [("with", 60, after)]


def test_zero_is_a_score(database: Database, rows: Rows) -> None:
    rows.answer(rows.assessment(2), 0, AFTER[0])

    assert counted(database, rows) == [("with", 60, 0)]


def test_a_skipped_question_is_no_score(database: Database, rows: Rows) -> None:
    rows.answer(rows.assessment(2), None, AFTER[0])

    assert counted(database, rows) == [("with", 60, None)]


def test_a_superseded_answer_does_not_count(database: Database, rows: Rows) -> None:
    assessment_id = rows.assessment(2)
    rows.answer(assessment_id, 20, AFTER[1], is_current=False)
    rows.answer(assessment_id, 25, AFTER[0])

    assert counted(database, rows) == [("with", 60, 25)]


@pytest.mark.parametrize(("closes_on", "after"), [(TODAY, None), (TODAY - DAY, 20)])
def test_answers_that_were_not_sent_count_once_their_form_has_closed(
    database: Database, rows: Rows, closes_on: date, after: int | None
) -> None:
    rows.all(FollowUp)[1]["closes_on"] = closes_on
    rows.answer(rows.assessment(2, is_sent=False), 20, AFTER[0])

    assert counted(database, rows) == [("with", 60, after)]


def test_the_last_of_several_scores_in_a_window_counts(database: Database, rows: Rows) -> None:
    second_operation = rows.operation(1, date(2026, 10, 1))
    other_form = rows.follow_up(second_operation, "M3", *AFTER)
    rows.answer(rows.assessment(other_form), 35, AFTER[0] + DAY)
    rows.answer(rows.assessment(2), 20, AFTER[0])

    assert counted(database, rows) == [("with", 60, 35)]


def test_a_score_given_on_the_form_of_another_operation_counts_by_its_day(database: Database, rows: Rows) -> None:
    second_operation = rows.operation(1, date(2026, 11, 15))
    other_form = rows.follow_up(second_operation, "before", date(2026, 9, 16), date(2026, 11, 15))
    rows.answer(rows.assessment(other_form), 45, date(2026, 11, 14))

    assert counted(database, rows) == [("with", 60, 45)]


def test_a_patient_is_counted_once_by_the_first_operation(database: Database, rows: Rows) -> None:
    rows.operation(1, OPERATED_ON + DAY * 30)
    rows.operation(1, OPERATED_ON - DAY * 30, OperationState.CANCELLED)

    assert counted(database, rows) == [("with", 60, None)]


def test_two_operations_on_one_day_count_once(database: Database, rows: Rows) -> None:
    rows.operation(1, OPERATED_ON)

    assert counted(database, rows) == [("with", 60, None)]


@pytest.mark.parametrize("state", [OperationState.PLANNED, OperationState.POSTPONED, OperationState.CANCELLED])
def test_a_patient_who_was_not_operated_on_is_not_counted(
    database: Database, rows: Rows, state: OperationState
) -> None:
    rows.operation(rows.patient(), OPERATED_ON, state)

    assert counted(database, rows) == [("with", 60, None)]


def test_a_patient_without_a_group_is_unknown(database: Database, rows: Rows) -> None:
    rows.operation(rows.patient(), OPERATED_ON)

    assert counted(database, rows) == [("unknown", None, None), ("with", 60, None)]


def test_the_standing_group_counts(database: Database, rows: Rows) -> None:
    rows.all(Classification)[0]["superseded_at"] = NOW
    rows.group(1, "without")

    assert counted(database, rows) == [("without", 60, None)]


def test_only_patients_of_the_site_are_counted(database: Database, rows: Rows) -> None:
    rows.operation(rows.patient(site_id=2), OPERATED_ON)

    assert counted(database, rows, site_id=1) == [("with", 60, None)]


def test_another_item_is_another_score(database: Database, rows: Rows) -> None:
    rows.answer(1, 10, OPERATED_ON, item="neck")

    assert counted(database, rows, item="neck") == [("with", 10, None)]


def test_an_empty_registry_has_no_counts(database: Database) -> None:
    assert counted(database, Rows()) == []


def unreviewed(database: Database, rows: Rows, *doubtful: int) -> int:
    """How many forms a report names when these assessments may come from a program."""
    for form in rows.all(Assessment):
        form["suspicion"] = Suspicion.TOO_FAST if form["id"] in doubtful else None
    with database.transaction() as session:
        rows.store(session)
        query = CohortQuery(item="low_back", grouping="lumbar_disease", today=TODAY)
        return count_unreviewed(session, query, timepoint="M12")


def test_a_doubtful_form_of_another_operation_is_named_where_its_score_counts(database: Database, rows: Rows) -> None:
    second_operation = rows.operation(1, date(2026, 11, 15))
    other_form = rows.follow_up(second_operation, "before", date(2026, 9, 16), date(2026, 11, 15))
    other = rows.assessment(other_form)
    rows.answer(other, 45, date(2026, 11, 14))

    assert unreviewed(database, rows, other) == 1


def test_a_doubtful_form_whose_scores_count_nowhere_is_not_named(database: Database, rows: Rows) -> None:
    late = rows.assessment(2)
    rows.answer(late, 20, AFTER[1] + DAY)

    assert unreviewed(database, rows, late) == 0
