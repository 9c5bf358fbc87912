"""Patients: the list, one patient, and what staff record about them."""

from collections.abc import Callable, Mapping
from datetime import date
from typing import Any

from flask import Blueprint, flash, redirect, render_template, request, url_for
from sqlmodel import Session
from werkzeug.wrappers import Response
from wtforms.fields import SelectChoice

from registry.domain.errors import InvalidInput, Unknown
from registry.domain.vocabularies import LUMBAR_DISEASE, Evidence, OperationState, Sex, region_of
from registry.services.enrolment import (
    ContactDetails,
    NewPatient,
    change_contact,
    enrol,
    record_death,
    resume_emails,
    stop_emails,
    withdraw,
)
from registry.services.operations import Assigned, OperationFacts, change_operation, classify, record_operation
from registry.storage.enrolments import PAGE_SIZE, PatientRow, count_patients, page_of_patients, patient_by_public_id
from registry.storage.models import Operation
from registry.web.forms import (
    ClassificationForm,
    ConfirmForm,
    ContactForm,
    DeathForm,
    EnrolmentForm,
    OperationForm,
    StaffForm,
    WithdrawalForm,
    folded,
    plain,
)
from registry.web.staff.access import by, require_staff, site, staff
from registry.web.staff.patient_view import patient_view
from registry.web.state import now, state, today

blueprint = Blueprint("patients", __name__, url_prefix="/patients")
blueprint.before_request(require_staff)

Page = str | Response | tuple[str, int]
Saving = Callable[[Session], object]


@blueprint.get("")
def listed() -> str:
    """One page of the site's patients by study ID."""
    wanted = folded(request.args.get("study_id"))
    page = max(request.args.get("page", 1, int), 1)
    with state().database.reading() as session:
        n_patients = count_patients(session, site_id=staff().site_id, study_id=wanted)
        rows = page_of_patients(session, site_id=staff().site_id, page=page, study_id=wanted)
    return render_template(
        "patients/list.html",
        patients=[patient_view(row, state().study, today=today(site())) for row in rows],
        n_patients=n_patients,
        page=page,
        n_pages=max(-(-n_patients // PAGE_SIZE), 1),
        study_id=wanted,
    )


@blueprint.route("/new", methods=["GET", "POST"])
def enrol_page() -> Page:
    """Enrol a patient on one screen."""
    form = EnrolmentForm()
    form.site.choices = [SelectChoice(site().code, site().name["en"])]
    public_id = ""

    def save(session: Session) -> None:
        nonlocal public_id
        patient = enrol(
            session, site_id=staff().site_id, patient=_typed(form), enrolled_on=today(site()), by=by(), now=now()
        )
        public_id = patient.public_id

    if _saved(form, save):
        flash("The patient is enrolled. Next: record the operation.")
        return _to_patient(public_id)
    return _form_page("patients/enrol.html", form)


def _typed(form: EnrolmentForm) -> NewPatient:
    return NewPatient(
        study_id=form.study_id.data or "",
        sex=Sex(form.sex.data),
        birth_year=int(folded(form.birth_year.data)),
        born_on=form.born_on.data,
        **vars(_contact(form)),
    )


@blueprint.get("/<public_id>")
def detail(public_id: str) -> str:
    """One patient: taking part, operations, classification, answers and mails."""
    row = _patient(public_id)
    view = patient_view(row, state().study, today=today(site()))
    with state().database.reading() as session:
        view = view.with_history(session, zone=site().zone)
    return render_template("patients/detail.html", view=view, items=state().study.items, confirm=ConfirmForm())


@blueprint.route("/<public_id>/contact", methods=["GET", "POST"])
def contact(public_id: str) -> Page:
    """Correct how a patient is named and reached."""
    row = _patient(public_id)
    form = ContactForm(obj=row.contact, language=row.patient.language)

    def save(session: Session) -> None:
        change_contact(session, patient_id=row.patient.id, details=_contact(form), by=by(), now=now())

    if _saved(form, save):
        flash("The contact details are changed. Mails that were sent stay as they are.")
        return _to_patient(public_id)
    return _form_page("patients/contact.html", form, row=row)


def _contact(form: ContactForm) -> ContactDetails:
    return ContactDetails(
        family_name=plain(form.family_name.data),
        given_name=plain(form.given_name.data),
        kana=plain(form.kana.data),
        email=form.email.data or None,
        phone=folded(form.phone.data),
        language=form.language.data,
    )


@blueprint.route("/<public_id>/operations/new", methods=["GET", "POST"])
def operation_new(public_id: str) -> Page:
    """Record an operation."""
    row = _patient(public_id)
    form = OperationForm()
    form.offer_procedure()

    def save(session: Session) -> None:
        record_operation(session, patient_id=row.patient.id, facts=_facts(form), **_planning())

    if _saved(form, save):
        flash("The operation is recorded.")
        return _to_patient(public_id)
    return _form_page("patients/operation.html", form, row=row, operation=None)


@blueprint.route("/<public_id>/operations/<int:operation_id>", methods=["GET", "POST"])
def operation_edit(public_id: str, operation_id: int) -> Page:
    """Correct an operation or move it on."""
    row = _patient(public_id)
    operation = next((found for found in row.operations if found.id == operation_id), None)
    if operation is None:
        raise Unknown("no such operation of this patient")
    form = OperationForm(obj=operation)
    form.offer_procedure(operation.procedure)

    def save(session: Session) -> None:
        standing = session.get_one(Operation, operation_id)
        change_operation(session, operation=standing, facts=_facts(form), **_planning())

    if _saved(form, save):
        flash("The operation is changed, and its follow-ups with it.")
        return _to_patient(public_id)
    return _form_page("patients/operation.html", form, row=row, operation=operation)


def _facts(form: OperationForm) -> OperationFacts:
    return OperationFacts(
        state=OperationState(form.state.data),
        procedure=form.procedure.data,
        region=region_of(form.procedure.data),
        planned_on=form.planned_on.data,
        operated_on=form.operated_on.data,
    )


@blueprint.route("/<public_id>/classification", methods=["GET", "POST"])
def classification(public_id: str) -> Page:
    """Say to which group a patient belongs."""
    row = _patient(public_id)
    standing = next((found for found in row.classifications if found.superseded_at is None), None)
    form = ClassificationForm(obj=standing, assessed_by=standing.assessed_by if standing else staff().display_name)

    def save(session: Session) -> None:
        assigned = Assigned(
            grouping_code=LUMBAR_DISEASE,
            group_code=form.group_code.data,
            evidence=Evidence(form.evidence.data),
            assessed_on=form.assessed_on.data,
            assessed_by=plain(form.assessed_by.data),
        )
        classify(session, patient_id=row.patient.id, assigned=assigned, today=today(site()), by=by(), now=now())

    if _saved(form, save):
        flash("The classification is recorded.")
        return _to_patient(public_id)
    return _form_page("patients/classification.html", form, row=row)


@blueprint.route("/<public_id>/withdrawal", methods=["GET", "POST"])
def withdrawal(public_id: str) -> Page:
    """Record that a patient leaves."""
    form = WithdrawalForm(withdrawn_on=today(site()))
    return _ending(public_id, form, "patients/withdrawal.html", "The withdrawal is recorded.", _withdraw)


@blueprint.route("/<public_id>/death", methods=["GET", "POST"])
def death(public_id: str) -> Page:
    """Record that a patient has died."""
    return _ending(public_id, DeathForm(), "patients/death.html", "The death is recorded.", _die)


def _ending(
    public_id: str, form: StaffForm, template: str, said: str, record: Callable[[Session, int, StaffForm], None]
) -> Page:
    row = _patient(public_id)
    if _saved(form, lambda session: record(session, row.patient.id, form)):
        flash(said)
        return _to_patient(public_id)
    return _form_page(template, form, row=row)


def _withdraw(session: Session, patient_id: int, form: StaffForm) -> None:
    withdraw(session, patient_id=patient_id, withdrawn_on=_day(form, "withdrawn_on"), **_recording())


def _die(session: Session, patient_id: int, form: StaffForm) -> None:
    record_death(session, patient_id=patient_id, died_on=_day(form, "died_on"), **_recording())


def _day(form: StaffForm, name: str) -> date:
    found: date = form[name].data
    return found


@blueprint.post("/<public_id>/emails/stop")
def emails_stop(public_id: str) -> Response:
    """Stop e-mails to a patient."""
    row = _patient(public_id)
    with state().database.transaction() as session:
        stop_emails(session, patient_id=row.patient.id, by=by(), now=now())
    flash("E-mails to this patient are stopped.")
    return _to_patient(public_id)


@blueprint.post("/<public_id>/emails/resume")
def emails_resume(public_id: str) -> Response:
    """Let e-mails go out again."""
    row = _patient(public_id)
    with state().database.transaction() as session:
        resume_emails(session, patient_id=row.patient.id, by=by(), now=now())
    flash("E-mails to this patient go out again.")
    return _to_patient(public_id)


def _saved(form: StaffForm, save: Saving) -> bool:
    """Whether a form was sent and its use case took it; otherwise the reasons stand at the fields."""
    if not form.validate_on_submit():
        return False
    try:
        with state().database.transaction() as session:
            save(session)
    except InvalidInput as error:
        form.refuse(error.problems)
        return False
    return True


def _form_page(template: str, form: StaffForm, **values: object) -> Page:
    status = 422 if form.is_submitted() else 200
    return render_template(template, form=form, today=today(site()), **values), status


def _planning() -> Mapping[str, Any]:
    return {"study": state().study, **_recording()}


def _recording() -> Mapping[str, Any]:
    return {"today": today(site()), "by": by(), "now": now()}


def _patient(public_id: str) -> PatientRow:
    with state().database.reading() as session:
        row = patient_by_public_id(session, site_id=staff().site_id, public_id=public_id)
    if row is None:
        raise Unknown("no such patient at this site")
    return row


def _to_patient(public_id: str) -> Response:
    return redirect(url_for("patients.detail", public_id=public_id), code=303)
