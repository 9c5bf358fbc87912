"""Stopping e-mails: a page with a button for people, one address for mail programs; only a POST acts."""

from flask import Blueprint, g, url_for

from registry.config import SiteSettings
from registry.domain.actors import patient_link
from registry.languages import SOURCE_LANGUAGE
from registry.services.enrolment import stop_emails
from registry.services.links import open_link
from registry.storage.enrolments import LinkedPatient, patient_behind_link
from registry.storage.models import LinkPurpose
from registry.web.patient.context import page
from registry.web.state import now, state

blueprint = Blueprint("preferences", __name__)


@blueprint.get("/m/<token>")
@blueprint.get("/m/<token>/one-click", endpoint="one_click_page")
def show(token: str) -> str:
    """Ask whether e-mails shall stop. Changes no row."""
    patient = _patient(token)
    return page("patient/stop_emails.html", _site(patient), action=url_for("preferences.stop", token=token))


@blueprint.post("/m/<token>")
@blueprint.post("/m/<token>/one-click", endpoint="one_click")
def stop(token: str) -> str:
    """Stop e-mails, whether the patient pressed the button or a mail program did so for the patient."""
    patient = _patient(token)
    with state().database.transaction() as session:
        stop_emails(session, patient_id=patient.patient_id, by=patient_link(patient.public_id), now=now())
    return page("patient/emails_stopped.html", _site(patient))


def _patient(token: str) -> LinkedPatient:
    with state().database.reading() as session:
        public_id = open_link(session, token=token, purpose=LinkPurpose.PREFERENCES)
        return patient_behind_link(session, public_id=public_id)


def _site(patient: LinkedPatient) -> SiteSettings:
    g.language = patient.language or SOURCE_LANGUAGE
    return state().settings.site(patient.site_code)
