"""Serving over HTTP: uvicorn with what an operator expects of its end."""

import gc
import os
import signal
import sys
import tempfile
import threading
from types import FrameType
from typing import Final

import uvicorn

from api import logs
from api.browser_headers import OF_EVERY_ANSWER, OVER_TLS
from api.guard import GuardedProtocol
from api.servers import told
from api.settings import Settings

_BACKLOG: Final = 4096
_GRACE_SECONDS: Final = 7  # with the next, SIGTERM to exit within 10 s
_CLOSE_SECONDS_MAX: Final = 2.0
_SILENT_SECONDS_MAX: Final = 30
"""Then a worker is replaced. uvicorn's 5 s are less than a start takes on a machine that is very
busy, so none would ever be ready there.
"""
_GC_THRESHOLD: Final = 50_000


def serve(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT, then finish what is in flight and return."""
    # uvicorn raises the signal again once it is done; the exit is clean all the same.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _already_handled)
    logs.configure(settings.log_level)
    _allow_open_files()
    if settings.workers > 1:
        gc.enable()  # this process only waits for the workers
        with tempfile.TemporaryDirectory(prefix="flashticket-metrics-") as folder:
            # Read by prometheus_client when the workers import it.
            os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder
            _run(settings)
    else:
        _run(settings)


def _allow_open_files() -> None:
    """Raise the number of files, and so of connections, that may be open, to what is allowed."""
    if sys.platform != "win32":
        import resource

        _, allowed = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, allowed))


def app() -> object:
    """The application of one worker."""
    gc.disable()
    from api.app import create_app

    # Read anew, as this may be another process. What was not in the environment is not put there:
    # it holds passwords.
    settings = told(Settings())
    logs.configure(settings.log_level)
    application = create_app(settings, on_shutdown=_leave_in_time)
    # A batch makes thousands of objects that live until its commit, and none of them in cycles:
    # looking for cycles every 700 objects, as Python does, costs a tenth of the throughput.
    gc.freeze()
    gc.set_threshold(_GC_THRESHOLD)
    gc.enable()
    return application


def _leave_in_time() -> None:
    # Everything is answered. A database that hangs would keep us from closing its connections for
    # longer than the grace time, and a socket that is not closed is closed by the kernel.
    timer = threading.Timer(_CLOSE_SECONDS_MAX, os._exit, (0,))
    timer.daemon = True
    timer.start()


def _run(settings: Settings) -> None:
    uvicorn.run(
        "api.serve:app",
        factory=True,
        host=settings.host,
        port=settings.port,
        workers=settings.workers,
        loop="uvloop",
        http=GuardedProtocol,
        ws="none",
        backlog=_BACKLOG,
        timeout_keep_alive=settings.idle_seconds_max,
        log_config=None,
        access_log=False,
        proxy_headers=False,  # nothing here depends on where a request came from
        server_header=False,
        headers=[*OF_EVERY_ANSWER, *(OVER_TLS if settings.tls_certificate_file else ())],
        ssl_certfile=settings.tls_certificate_file,
        ssl_keyfile=settings.tls_key_file,
        timeout_graceful_shutdown=_GRACE_SECONDS,
        timeout_worker_healthcheck=_SILENT_SECONDS_MAX,
    )


def _already_handled(number: int, frame: FrameType | None) -> None:
    del number, frame
