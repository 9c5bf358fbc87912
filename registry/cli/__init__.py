"""The command line: `registry COMMAND`, each taking `--config FILE`."""

import logging
import os
import sys

import click

from registry import __version__
from registry.cli.bounces import bounces_commands
from registry.cli.data import backup, import_file
from registry.cli.database import database_commands
from registry.cli.demo import demo_command
from registry.cli.doctor import doctor
from registry.cli.export import export
from registry.cli.reminders import reminders_commands
from registry.cli.report import report_commands
from registry.cli.running import run, scheduler, serve
from registry.cli.scores import scores_commands
from registry.cli.staff import staff_commands
from registry.domain.errors import RegistryError


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="registry")
def registry() -> None:
    """A registry of patient-reported pain before and after spine surgery."""


COMMANDS = (
    run,
    serve,
    scheduler,
    demo_command,
    database_commands,
    staff_commands,
    reminders_commands,
    bounces_commands,
    report_commands,
    scores_commands,
    import_file,
    export,
    backup,
    doctor,
)
for command in COMMANDS:
    registry.add_command(command)


def main() -> None:
    """Run a command; an error that a person can put right is one line on standard error and exit status 1."""
    # Whatever the registry writes (rows, mails, keys, copies) is for its own account alone.
    os.umask(0o077)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    for name in ("alembic", "apscheduler"):
        logging.getLogger(name).setLevel(logging.WARNING)
    try:
        registry(standalone_mode=True)
    except RegistryError as error:
        for line in str(error).splitlines():
            click.echo(f"registry: {line}", err=True)
        sys.exit(1)
