"""`make bench`: run every benchmark."""

from tests.benchmarks import cohort_report, dispatch, form_submissions

if __name__ == "__main__":
    form_submissions.main()
    dispatch.main()
    cohort_report.main()
