"""On a read-only file system, which a hook stands for that refuses to open anything for writing."""

from pathlib import Path

import pytest
from served import Api, new_keys, served

HOOK = """
import errno, os, sys, tempfile

WRITABLE = (os.environ["FLASHTICKET_DATA_DIR"], tempfile.gettempdir(), "/dev/", "/proc/")
FIRST_PATH = {"os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.symlink", "os.chmod"}

def refuse(event, arguments):
    if event == "open":
        path, mode, flags = arguments
        if not flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND):
            return
    elif event in FIRST_PATH and arguments[-1] in (-1, None):  # else it is below a folder in use
        path = arguments[0]
    else:
        return
    if isinstance(path, int):
        return
    if not os.path.abspath(os.fsdecode(path)).startswith(WRITABLE):
        raise OSError(errno.EROFS, "read-only file system", path)

sys.addaudithook(refuse)
try:
    open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "probe"), "w")
except OSError:
    pass
else:
    os._exit(99)
"""


def test_the_application_writes_to_its_data_and_temporary_folders_alone(
    database: str, redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hook, temporary = tmp_path / "hook", tmp_path / "tmp"
    hook.mkdir()
    temporary.mkdir()
    (hook / "sitecustomize.py").write_text(HOOK)
    monkeypatch.setenv("PYTHONPATH", str(hook))
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")  # as in the image
    monkeypatch.setenv("TMPDIR", str(temporary))
    monkeypatch.setenv("HOME", "/nonexistent")
    keys = new_keys(database)
    with (
        served(database, redis_url, workers=2) as running,
        Api(running.url, keys) as api,
    ):
        event_id, user_id = api.add_event(), api.add_user()
        booking_id = api.book(event_id, user_id).json()["booking_id"]
        for path in ("tickets", "receipt"):
            assert api.client.get(f"/v1/bookings/{booking_id}/{path}").status_code == 200
        assert 'command="BookSeats",outcome="done"} 1.0' in api.nobody.get("/metrics").text
        line = b'{"name":"a","email":"a@b"}\n' * 5_000
        headers = {"Content-Type": "application/x-ndjson"}
        imported = api.organizer.post("/v1/users/import", content=line, headers=headers)
        assert imported.status_code == 201
        refused = [entry for entry in running.log if "read-only file system" in str(entry)]
        assert refused == []
