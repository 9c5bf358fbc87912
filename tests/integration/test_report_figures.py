"""The figures of the cohort report: on its page, and as files."""

import csv
import re
from collections.abc import Iterator
from datetime import date, datetime
from html import unescape
from io import BytesIO, StringIO
from urllib.parse import parse_qs, urlsplit

import pytest
from PIL import Image
from sqlmodel import select
from werkzeug.test import TestResponse

from registry.config import Settings
from registry.domain.actors import Actor
from registry.services.imports import import_patients
from registry.storage.database import Database
from registry.storage.enrolments import site_id_of
from registry.storage.models import Patient, Site
from registry.web.app import create_app
from registry.web.staff import report_figures
from tests.desk import Desk, at_desk

HEADER = "study_id,sex,birth_year,operated_on,lumbar_disease,before_on,low_back_before,M12_on,low_back_M12"
NAMES = ("trajectory", "raincloud", "cumulative", "responders", "waterfall")
EXTENSIONS = {"svg": "image/svg+xml", "pdf": "application/pdf", "png": "image/png", "csv": "text/csv"}
SCORES = ((60, 20), (70, 50), (80, 78), (50, 60), (90, 45), (40, 40), (20, 10))


@pytest.fixture
def desk(database: Database, settings: Settings, now: datetime) -> Iterator[Desk]:
    with at_desk(database, settings, now) as desk:
        yield desk


@pytest.fixture
def alice(desk: Desk, today: date, by: Actor) -> Desk:
    of_groups = [("without", *pair) for pair in SCORES] + [("with", *pair) for pair in SCORES[1:]]
    rows = [
        f"K-{place},female,1950,2024-05-10,{group},2024-05-01,{before},2025-05-12,{after}"
        for place, (group, before, after) in enumerate(of_groups)
    ]
    with desk.database.transaction() as session:
        import_patients(
            session,
            file=[f"{line}\n" for line in (HEADER, *rows)],
            site_id=site_id_of(session, code="DEMO") or 0,
            settings=desk.settings,
            today=today,
            now=desk.clock(),
            by=by,
        )
    desk.sign_in()
    return desk


def fetched(desk: Desk, file: str, asked: str = "") -> TestResponse:
    return desk.client.get(f"/reports/cohort/fig/{file}?{asked}")


def rows_of(desk: Desk, name: str, asked: str = "") -> list[dict[str, str]]:
    return list(csv.DictReader(StringIO(fetched(desk, f"{name}.csv", asked).data.decode("utf-8-sig"))))


def text(response: TestResponse) -> str:
    return unescape(response.get_data(as_text=True))


@pytest.mark.parametrize("name", NAMES)
def test_every_figure_is_there_in_every_format_in_both_languages_and_in_grey(alice: Desk, name: str) -> None:
    for extension, media in EXTENSIONS.items():
        found = [fetched(alice, f"{name}.{extension}", asked) for asked in ("", "lang=ja", "grey=1", "lang=ja&grey=1")]

        assert {(answer.status_code, answer.mimetype) for answer in found} == {(200, media)}
        n_different = 2 if extension == "csv" else 4
        assert len({answer.data for answer in found}) == n_different


def test_a_figure_is_the_same_twice(alice: Desk) -> None:
    for extension in EXTENSIONS:
        first, second = (fetched(alice, f"raincloud.{extension}").data for _ in range(2))
        assert first == second


@pytest.mark.parametrize("dpi", ["300", "600"])
def test_a_png_has_the_points_an_inch_that_were_asked_for(alice: Desk, dpi: str) -> None:
    picture = Image.open(BytesIO(fetched(alice, "responders.png", f"dpi={dpi}").data))

    assert picture.width == pytest.approx(84 / 25.4 * int(dpi), abs=1)


def test_a_figure_shows_the_cohort_that_its_address_asks_for(alice: Desk) -> None:
    entered, everyone = (rows_of(alice, "responders", asked) for asked in ("", "entry=none"))

    n_of = [[row["n"] for row in rows if row["criterion"] == "after_at_most_30"] for rows in (entered, everyone)]
    assert n_of == [["6", "5"], ["7", "6"]]


def test_a_figure_counts_no_patient_of_another_site(alice: Desk) -> None:
    before = [len(rows_of(alice, name, "entry=none")) for name in ("raincloud", "waterfall")]
    n_of_group = [row["n"] for row in rows_of(alice, "responders", "entry=none")][-1]
    with alice.database.transaction() as session:
        session.add(Site(code="OTHER"))
        session.flush()
        theirs = session.exec(select(Patient).where(Patient.study_id == "K-9")).one()
        theirs.site_id = site_id_of(session, code="OTHER") or 0
        session.add(theirs)

    after = [len(rows_of(alice, name, "entry=none")) for name in ("raincloud", "waterfall")]
    assert [row["n"] for row in rows_of(alice, "responders", "entry=none")][-1] == str(int(n_of_group) - 1)
    assert (after[0] < before[0], after[1]) == (True, before[1] - 1)


@pytest.mark.parametrize(
    ("file", "asked", "said"),
    [
        ("pie.svg", "", "'pie' is not a figure; choose one of trajectory, raincloud"),
        ("raincloud.gif", "", "'gif' is not a format; choose one of svg, pdf, png, csv"),
        ("raincloud.svg", "lang=fr", "'fr' is not a language; choose one of en, ja"),
        ("raincloud.png", "dpi=72", "'72' is not a resolution; choose one of 300, 600"),
        ("raincloud.png", "grey=yes", "'yes' is not a choice of grey; choose one of 0, 1"),
        ("raincloud.png", "item=knee", "'knee' is not an item"),
        ("raincloud.png", "entry=101", "'101' is not an entry rule"),
    ],
)
def test_a_figure_that_cannot_be_made_says_what_is_wrong(alice: Desk, file: str, asked: str, said: str) -> None:
    answer = fetched(alice, file, asked)

    assert (answer.status_code, said in text(answer)) == (422, True)


def test_every_wrong_word_is_named_at_once(alice: Desk) -> None:
    said = text(fetched(alice, "pie.gif", "lang=fr&dpi=1&grey=2"))

    assert [word in said for word in ("'pie'", "'gif'", "'fr'", "'1'", "'2'")] == [True] * 5


def test_a_waterfall_of_too_many_is_refused_with_their_number_and_not_on_the_page(
    alice: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    fits = ['id="waterfall"' in alice.page("/reports/cohort"), fetched(alice, "waterfall.svg").status_code]
    monkeypatch.setattr(report_figures, "MOST_BARS", 10)

    refused = fetched(alice, "waterfall.svg")

    assert fits == [True, 200]
    assert 'id="waterfall"' not in alice.page("/reports/cohort")
    assert refused.status_code == 422
    assert "at most 10; this cohort has 11." in text(refused)


def test_a_file_is_named_for_what_it_shows(alice: Desk) -> None:
    named = [
        fetched(alice, file, asked).headers["Content-Disposition"]
        for file, asked in (
            ("raincloud.svg", ""),
            ("cumulative.png", "lang=ja&dpi=600&grey=1&entry=none"),
            ("trajectory.csv", "grey=1&timepoint=M3"),
        )
    ]

    assert named == [
        "attachment; filename=raincloud-low_back-M12-lumbar_disease-from-30-en.svg",
        "attachment; filename=cumulative-low_back-M12-lumbar_disease-everyone-ja-grey-600dpi.png",
        "attachment; filename=trajectory-low_back-M3-lumbar_disease-from-30-en.csv",
    ]


def test_an_svg_may_neither_run_nor_load_anything(alice: Desk) -> None:
    policy = dict(
        part.split(" ", 1) for part in fetched(alice, "raincloud.svg").headers["Content-Security-Policy"].split("; ")
    )

    assert (policy["default-src"], policy["style-src"]) == ("'none'", "'unsafe-inline'")
    assert not {"script-src", "img-src"} & set(policy)


def test_figures_of_a_demonstration_are_marked_and_real_ones_are_not(alice: Desk, settings: Settings) -> None:
    demo = settings.demo.model_copy(update={"enabled": False})
    real = create_app(settings.model_copy(update={"demo": demo}), clock=alice.clock)
    client = real.test_client()
    client.set_cookie("staff", alice.client.get_cookie("staff").value)  # type: ignore[union-attr]

    files = [f"/reports/cohort/fig/{name}.svg" for name in NAMES]
    marked = ["DEMO" in alice.page(file) for file in files]
    unmarked = [client.get(file).get_data(as_text=True) for file in files]

    real.extensions["registry"].database.dispose()
    assert marked == [True] * len(NAMES)
    assert [("<svg" in page, "DEMO" in page) for page in unmarked] == [(True, False)] * len(NAMES)


def test_the_page_shows_every_figure_with_its_numbers_in_words(alice: Desk) -> None:
    page = alice.page("/reports/cohort")

    images = re.findall(r'<img src="([^"]+)" alt="([^"]+)"', page)
    assert [re.sub(r".*/fig/(\w+)\.svg.*", r"\1", address) for address, _ in images] == [
        "trajectory", "cumulative", "waterfall", "raincloud", "responders",
    ]  # fmt: skip
    for address, spoken in images:
        picture = alice.client.get(unescape(address)).get_data(as_text=True)
        assert f"{unescape(spoken)}</desc>" in unescape(picture)
    # The difference between the groups is said before any picture of it.
    assert page.index('class="primary"') < page.index("<img")


def test_the_page_links_to_files_of_the_cohort_that_it_shows(alice: Desk) -> None:
    page = alice.page("/reports/cohort?timepoint=M12&entry=none&item=low_back")

    links = [unescape(link) for link in re.findall(r'<a href="(/reports/cohort/fig/[^"]+)"', page)]
    assert len(links) == len(NAMES) * 2 * 8
    assert {parse_qs(urlsplit(link).query)["entry"][0] for link in links} == {"none"}
    assert {alice.client.get(link).status_code for link in links if "raincloud" in link} == {200}


def test_an_empty_registry_has_figures_that_say_so(desk: Desk) -> None:
    desk.sign_in()

    page = desk.page("/reports/cohort")
    assert 'id="waterfall"' not in page
    for name in NAMES:
        assert fetched(desk, f"{name}.svg", "lang=ja").status_code == 200
    assert "Nobody has both scores" in text(fetched(desk, "raincloud.svg"))
