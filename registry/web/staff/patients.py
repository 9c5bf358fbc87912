"""Patients: the list, one patient, and what staff record about them."""

from collections.abc import Callable

from flask import Blueprint, flash, render_template, request
from werkzeug.wrappers import Response
from wtforms.fields import SelectChoice

from registry.domain.errors import Unknown
from registry.domain.study import Grouping
from registry.domain.vocabularies import LUMBAR_DISEASE, ConsentRoute, Evidence, OperationState, Sex, region_of
from registry.services.consent import Decision
from registry.services.enrolment import (
    ContactDetails,
    NewPatient,
    change_contact,
    enrol,
    leave_study,
    record_death,
    resume_emails,
    stop_emails,
    withdraw,
)
from registry.services.operations import Assigned, OperationFacts, change_operation, classify, record_operation
from registry.storage.database import Session
from registry.storage.enrolments import PAGE_SIZE, count_patients, page_of_patients
from registry.storage.models import Operation
from registry.web.forms import (
    ClassificationForm,
    ContactForm,
    CorrectionForm,
    DeathForm,
    EnrolmentForm,
    OperationForm,
    StaffForm,
    WithdrawalForm,
    folded,
    plain,
)
from registry.web.patient.region_words import region_words
from registry.web.staff.access import by, require_staff, site, staff
from registry.web.staff.patient_view import patient_view
from registry.web.staff.saving import (
    Page,
    change_page,
    form_page,
    patient_of_site,
    planning,
    recording,
    saved,
    to_patient,
)
from registry.web.state import now, state, today

blueprint = Blueprint("patients", __name__, url_prefix="/patients")
blueprint.before_request(require_staff)


@blueprint.get("")
def listed() -> str:
    """One page of the site's patients by study ID."""
    wanted = folded(request.args.get("study_id"))
    with state().database.reading() as session:
        n_patients = count_patients(session, site_id=staff().site_id, study_id=wanted)
        n_pages = max(-(-n_patients // PAGE_SIZE), 1)
        page = min(max(request.args.get("page", 1, int), 1), n_pages)
        rows = page_of_patients(session, site_id=staff().site_id, page=page, study_id=wanted)
    return render_template(
        "patients/list.html",
        patients=[patient_view(row, state().study, today=today(site())) for row in rows],
        n_patients=n_patients,
        page=page,
        n_pages=n_pages,
        study_id=wanted,
    )


@blueprint.route("/new", methods=["GET", "POST"])
def enrol_page() -> Page:
    """Enrol a patient on one screen."""
    form = EnrolmentForm()
    form.site.choices = [SelectChoice(site().code, site().name["en"])]
    if not state().study.consent.version:
        del form.consent
    public_id = ""

    def save(session: Session) -> None:
        nonlocal public_id
        patient = enrol(
            session,
            site_id=staff().site_id,
            patient=_typed(form),
            enrolled_on=today(site()),
            consent=_consent(form),
            by=by(),
            now=now(),
        )
        public_id = patient.public_id

    if saved(form, save):
        flash("The patient is enrolled. Next: record the operation.")
        return to_patient(public_id)
    return form_page("patients/enrol.html", form)


def _typed(form: EnrolmentForm) -> NewPatient:
    return NewPatient(
        study_id=form.study_id.data or "",
        sex=Sex(form.sex.data),
        birth_year=int(folded(form.birth_year.data)),
        born_on=form.born_on.data,
        **vars(_contact(form)),
    )


def _consent(form: EnrolmentForm) -> Decision | None:
    """The consent that was given at the hospital; otherwise the form asks."""
    if "consent" not in form or form.consent.data != ConsentRoute.HOSPITAL:
        return None
    return Decision(
        version=state().study.consent.version,
        is_given=True,
        route=ConsentRoute.HOSPITAL,
        language=form.language.data,
        decided_on=today(site()),
    )


@blueprint.get("/<public_id>")
def detail(public_id: str) -> str:
    """One patient: taking part, operations, classification, answers and mails."""
    row = patient_of_site(public_id)
    view = patient_view(row, state().study, today=today(site()))
    with state().database.reading() as session:
        view = view.with_history(session, zone=site().zone)
    return render_template(
        "patients/detail.html",
        view=view,
        items=state().study.items,
        asks_consent=bool(state().study.consent.version),
        region_words=region_words(),
    )


@blueprint.route("/<public_id>/contact", methods=["GET", "POST"])
def contact(public_id: str) -> Page:
    """Correct how a patient is named and reached."""
    row = patient_of_site(public_id)
    form = CorrectionForm(obj=row.contact, language=row.patient.language)

    def save(session: Session) -> None:
        facts = {"details": _contact(form), "is_strangers_address": form.is_strangers_address.data}
        change_contact(session, patient_id=row.patient.id, **facts, **planning())

    links = " Their links no longer work." if form.is_strangers_address.data else ""
    said = f"The contact details are saved. Mails that were sent stay as they are.{links}"
    return change_page("patients/contact.html", form, save, row=row, said=said)


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
    row = patient_of_site(public_id)
    form = OperationForm()
    form.offer_procedure()

    def save(session: Session) -> None:
        record_operation(session, patient_id=row.patient.id, facts=_facts(form), **planning())

    if saved(form, save):
        flash("The operation is recorded.")
        return to_patient(public_id)
    return form_page("patients/operation.html", form, row=row, operation=None)


@blueprint.route("/<public_id>/operations/<row:operation_id>", methods=["GET", "POST"])
def operation_edit(public_id: str, operation_id: int) -> Page:
    """Correct an operation or move it on."""
    row = patient_of_site(public_id)
    operation = next((found for found in row.operations if found.id == operation_id), None)
    if operation is None:
        raise Unknown("no such operation of this patient")
    form = OperationForm(obj=operation)
    form.offer_procedure(operation.procedure)

    def save(session: Session) -> None:
        standing = session.get_one(Operation, operation_id)
        change_operation(session, operation=standing, facts=_facts(form), **planning())

    said = "The operation is changed, and its follow-ups with it."
    return change_page("patients/operation.html", form, save, row=row, said=said, operation=operation)


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
    row = patient_of_site(public_id)
    standing = next((found for found in row.classifications if found.superseded_at is None), None)
    form = ClassificationForm(obj=standing, assessed_by=standing.assessed_by if standing else staff().display_name)
    form.offer_groups(_lumbar_disease())

    def save(session: Session) -> None:
        assigned = Assigned(
            grouping_code=LUMBAR_DISEASE,
            group_code=form.group_code.data,
            evidence=Evidence(form.evidence.data),
            assessed_on=form.assessed_on.data,
            assessed_by=plain(form.assessed_by.data),
        )
        classify(session, patient_id=row.patient.id, assigned=assigned, today=today(site()), by=by(), now=now())

    if saved(form, save):
        flash("The classification is recorded.")
        return to_patient(public_id)
    return form_page("patients/classification.html", form, row=row)


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
    row = patient_of_site(public_id)
    if saved(form, lambda session: record(session, row.patient.id, form)):
        flash(said)
        return to_patient(public_id)
    return form_page(template, form, row=row)


def _withdraw(session: Session, patient_id: int, form: StaffForm) -> None:
    withdraw(session, patient_id=patient_id, withdrawn_on=form.withdrawn_on.data, **recording())
    if form.delete_answers.data:
        leave_study(session, patient_id=patient_id, delete_answers=True, **recording())


def _die(session: Session, patient_id: int, form: StaffForm) -> None:
    record_death(session, patient_id=patient_id, died_on=form.died_on.data, **recording())


@blueprint.post("/<public_id>/emails/stop")
def emails_stop(public_id: str) -> Response:
    """Stop e-mails to a patient."""
    row = patient_of_site(public_id)
    with state().database.transaction() as session:
        stop_emails(session, patient_id=row.patient.id, by=by(), now=now())
    flash("E-mails to this patient are stopped.")
    return to_patient(public_id)


@blueprint.post("/<public_id>/emails/resume")
def emails_resume(public_id: str) -> Response:
    """Let e-mails go out again."""
    row = patient_of_site(public_id)
    with state().database.transaction() as session:
        resume_emails(session, patient_id=row.patient.id, **planning())
    flash("E-mails to this patient go out again.")
    return to_patient(public_id)


def _lumbar_disease() -> Grouping:
    found = state().study.grouping(LUMBAR_DISEASE)
    if found is None:
        raise Unknown("the protocol has no such grouping")
    return found
