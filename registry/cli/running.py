"""`registry run`, `serve` and `scheduler`: the processes."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from threading import Thread
from types import FrameType
from typing import Any

import click
from gunicorn.app.base import BaseApplication

from registry.cli.common import opened, with_settings
from registry.cli.database import bring_up_to_date
from registry.cli.demo import load_demo_if_empty
from registry.clock import clock_of
from registry.config import Settings
from registry.domain.errors import RegistryError
from registry.scheduler import run_scheduler
from registry.services.demo.loading import SIGN_INS
from registry.web.app import create_app


class PortTaken(RegistryError):
    """Somebody else listens where the registry should."""


class ProcessEnded(RegistryError):
    """One of the registry's processes stopped by itself."""


class _Server(BaseApplication):  # type: ignore[misc]
    """gunicorn with the registry's settings; the application is made in the worker, never before the fork."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        super().__init__()

    def load_config(self) -> None:
        for name, value in _gunicorn(self.settings).items():
            self.cfg.set(name, value)

    def load(self) -> Any:
        return create_app(self.settings)


def _gunicorn(settings: Settings) -> Mapping[str, object]:
    return {
        "bind": f"{settings.web.host}:{settings.web.port}",
        "workers": settings.web.workers,
        "threads": settings.web.threads,
        "worker_class": "gthread",
        "graceful_timeout": 20,
        # Its warnings repeat the line of a request that it cannot read, with the token and the caller's address.
        "loglevel": "error",
        # No header says under which path we are: it would lead staff's pages past a proxy that guards them.
        "forwarder_headers": "",
        "control_socket_disable": True,
    }


_with_parent = click.option("--end-with-parent", is_flag=True, hidden=True)


def _end_with_parent() -> None:
    """End when the standard input does: a parent that was killed leaves nobody behind who goes on mailing."""

    def wait() -> None:
        # Not through sys.stdin, whose lock Python cannot take back from a thread when it ends.
        while os.read(sys.stdin.fileno(), 1):
            pass
        os.kill(os.getpid(), signal.SIGTERM)

    Thread(target=wait, daemon=True).start()


@click.command()
@_with_parent
@with_settings
def serve(settings: Settings, *, end_with_parent: bool) -> None:
    """Serve the pages."""
    if end_with_parent:
        _end_with_parent()
    _refuse_taken_port(settings)
    with opened(settings):
        pass
    _Server(settings).run()


@click.command()
@_with_parent
@with_settings
def scheduler(settings: Settings, *, end_with_parent: bool) -> None:
    """Send reminders as they come due, every minute, until stopped."""
    if end_with_parent:
        _end_with_parent()
    with opened(settings):
        pass
    run_scheduler(settings, clock=clock_of(settings))


@click.command()
@with_settings
def run(settings: Settings) -> None:
    """Bring the database up to date and start the pages and the scheduler together; Ctrl-C stops both."""
    _refuse_taken_port(settings)
    bring_up_to_date(settings)
    if settings.demo.enabled:
        load_demo_if_empty(settings)
    click.echo(_where(settings))
    _watch([_start("serve"), _start("scheduler")])


def _where(settings: Settings) -> str:
    mails = f"sent by {settings.mail.host}" if settings.mail.host else str(settings.mail.folder)
    lines = [f"\nThe registry is at {settings.base_url}/ (Ctrl-C stops it)"]
    if settings.demo.enabled:
        lines += [f"  sign in as {name} with the password {password}" for name, password in SIGN_INS]
        if not settings.mail.host:
            mails = f"{settings.base_url}/demo/outbox"
    return "\n".join([*lines, f"  mails: {mails}", ""])


def _refuse_taken_port(settings: Settings) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.web.host, settings.web.port))
        except OSError as error:
            place = f"{settings.web.host}:{settings.web.port}"
            raise PortTaken(
                f"port {place} cannot be used ({error.strerror}); choose another, such as PORT=8001"
            ) from None


def _start(command: str) -> subprocess.Popen[bytes]:
    """One of the registry's own commands as a process, under the configuration given to this one."""
    config = click.get_current_context().params.get("config", "config.toml")
    arguments = [sys.executable, "-m", "registry", command, "--config", str(config), "--end-with-parent"]
    return subprocess.Popen(arguments, stdin=subprocess.PIPE)  # noqa: S603  our own command


def _watch(processes: list[subprocess.Popen[bytes]]) -> None:
    """Wait until told to stop, or until one process ends; then stop all of them."""
    is_stopping = False

    def stop(_signal: int, _frame: FrameType | None) -> None:
        nonlocal is_stopping
        is_stopping = True

    for name in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(name, stop)
    while not is_stopping and all(process.poll() is None for process in processes):
        time.sleep(0.2)
    ended = [process for process in processes if process.poll() is not None]
    _stop(processes)
    if ended and not is_stopping:
        raise ProcessEnded(f"a process of the registry ended by itself (exit status {ended[0].returncode})")


def _stop(processes: list[subprocess.Popen[bytes]]) -> None:
    for process in processes:
        if process.poll() is None:
            os.kill(process.pid, signal.SIGTERM)
    for process in processes:
        try:
            process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
