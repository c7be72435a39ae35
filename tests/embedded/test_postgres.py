"""The embedded PostgreSQL, really started: what survives what, and who gets in."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg
import pytest

from api.embedded import EmbeddedPostgres, EmbeddedServerError


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database cluster made once; making it is most of the time that these tests take."""
    data_dir = tmp_path_factory.mktemp("postgres") / "data"
    with EmbeddedPostgres(data_dir) as server:
        execute(server, "CREATE TABLE kept (word text)")
    return data_dir


@pytest.fixture
def server(cluster: Path) -> Iterator[EmbeddedPostgres]:
    with EmbeddedPostgres(cluster) as running:
        execute(running, "TRUNCATE kept")
        yield running


def execute(server: EmbeddedPostgres, statement: str) -> None:
    with psycopg.connect(server.url(), connect_timeout=5) as connection:
        connection.execute(statement.encode())


def ask(server: EmbeddedPostgres, question: str) -> str:
    with psycopg.connect(server.url(), connect_timeout=5) as connection:
        row = connection.execute(question.encode()).fetchone()
    assert row is not None
    return str(row[0])


def keep(server: EmbeddedPostgres, word: str) -> None:
    with psycopg.connect(server.url(), connect_timeout=5) as connection:
        connection.execute("INSERT INTO kept VALUES (%s)", [word])


def kept(server: EmbeddedPostgres) -> str:
    return ask(server, "SELECT coalesce(string_agg(word, ' ' ORDER BY word), '') FROM kept")


def test_data_and_port_and_password_survive_a_stop_and_a_start(server: EmbeddedPostgres) -> None:
    keep(server, "stopped")
    url = server.url()

    server.stop()
    server.start()

    assert server.url() == url
    assert kept(server) == "stopped"


def test_data_is_found_again_by_another_object(server: EmbeddedPostgres) -> None:
    keep(server, "found")
    server.stop()

    with EmbeddedPostgres(server.data_dir) as another:
        assert kept(another) == "found"


def test_what_was_committed_survives_a_kill(server: EmbeddedPostgres) -> None:
    keep(server, "committed")
    children = psutil.Process(server.pid).children(recursive=True)

    server.kill()

    assert children
    assert not [child for child in children if lives(child)]
    stale = server.data_dir / "cluster/postmaster.pid"
    assert stale.exists()
    server.start()
    assert kept(server) == "committed"


def test_a_stale_pid_file_that_names_another_living_process_is_no_obstacle(
    server: EmbeddedPostgres,
) -> None:
    server.kill()
    pid_file = server.data_dir / "cluster/postmaster.pid"
    lines = pid_file.read_text().splitlines()
    stranger = sleeper_of(pid_file.stat().st_uid)
    pid_file.write_text("\n".join([str(stranger.pid), *lines[1:], ""]))

    try:
        server.start()

        assert kept(server) == ""
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def sleeper_of(uid: int) -> subprocess.Popen[bytes]:
    """A living process of this user, who is another than root where we are root."""
    user = uid if os.geteuid() == 0 else None
    return subprocess.Popen(["/bin/sleep", "60"], user=user)


def test_a_second_start_on_the_same_data_is_refused_and_harms_nothing(
    server: EmbeddedPostgres,
) -> None:
    with pytest.raises(EmbeddedServerError, match=r"runs already .*started by another process"):
        EmbeddedPostgres(server.data_dir).start()
    with pytest.raises(EmbeddedServerError, match="runs already"):
        server.start()

    assert kept(server) == ""


def test_a_server_whose_owner_was_killed_is_stopped_by_the_next_start(
    server: EmbeddedPostgres,
) -> None:
    server.stop()
    owner = subprocess.Popen(  # noqa: S603 - this very interpreter
        [sys.executable, "-c", OWNER, str(server.data_dir)], stdout=subprocess.PIPE, text=True
    )
    assert owner.stdout is not None
    orphan = psutil.Process(int(owner.stdout.readline()))
    owner.kill()
    owner.wait()
    owner.stdout.close()
    assert lives(orphan)

    server.start()

    assert not lives(orphan)
    assert kept(server) == "orphaned"
    log = (server.data_dir / "log").read_text()
    assert "database system was shut down at" in log, "it was killed, not stopped"


OWNER = """
import pathlib, sys, time
import psycopg
from api.embedded import EmbeddedPostgres

server = EmbeddedPostgres(pathlib.Path(sys.argv[1]))
server.start()
with psycopg.connect(server.url()) as connection:
    connection.execute("INSERT INTO kept VALUES ('orphaned')")
print(server.pid, flush=True)
time.sleep(60)
"""


def test_a_paused_server_answers_nobody_until_it_is_resumed(server: EmbeddedPostgres) -> None:
    server.pause()
    with pytest.raises(psycopg.errors.ConnectionTimeout):
        psycopg.connect(server.url(), connect_timeout=2).close()

    server.resume()

    assert kept(server) == ""


def test_a_paused_server_can_be_stopped(server: EmbeddedPostgres) -> None:
    server.pause()

    server.stop()

    with pytest.raises(EmbeddedServerError, match="does not run"):
        _ = server.pid


@pytest.mark.parametrize("setting", ["fsync", "synchronous_commit", "full_page_writes"])
def test_durability_is_on_and_alter_system_cannot_turn_it_off(
    server: EmbeddedPostgres, setting: str
) -> None:
    with psycopg.connect(server.url(), autocommit=True) as connection:
        connection.execute(f"ALTER SYSTEM SET {setting} = off".encode())
        connection.execute("SELECT pg_reload_conf()")
    server.stop()
    server.start()

    try:
        assert ask(server, f"SHOW {setting}") == "on"
    finally:
        with psycopg.connect(server.url(), autocommit=True) as connection:
            connection.execute("ALTER SYSTEM RESET ALL")


@pytest.mark.parametrize("setting", ["fsync", "synchronous_commit", "listen_addresses", "port"])
def test_settings_that_are_promised_cannot_be_given(tmp_path: Path, setting: str) -> None:
    with pytest.raises(ValueError, match=setting):
        EmbeddedPostgres(tmp_path, settings={setting: "off"})


def test_settings_are_taken_at_the_start(cluster: Path) -> None:
    with EmbeddedPostgres(cluster, settings={"max_connections": "17"}) as server:
        assert ask(server, "SHOW max_connections") == "17"
        assert ask(server, "SHOW listen_addresses") == "127.0.0.1"
        assert ask(server, "SHOW unix_socket_directories") == ""


def test_nobody_gets_in_without_the_password(server: EmbeddedPostgres) -> None:
    with pytest.raises(psycopg.OperationalError, match="no password supplied"):
        psycopg.connect(server.url().replace(f":{server.password}@", "@"), passfile="/dev/null")
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(server.url().replace(server.password, "wrong"))


def test_the_password_is_in_a_private_file_and_on_no_command_line(
    server: EmbeddedPostgres,
) -> None:
    assert (server.data_dir / "password").stat().st_mode & 0o777 == 0o600
    assert server.data_dir.stat().st_mode & 0o007 == 0
    assert server.password not in " ".join(psutil.Process(server.pid).cmdline())


def test_a_lost_password_is_named_as_such(server: EmbeddedPostgres) -> None:
    server.stop()
    password = server.data_dir / "password"
    aside = password.rename(password.with_name("aside"))

    try:
        with pytest.raises(EmbeddedServerError, match="password is gone"):
            server.start()
    finally:
        aside.rename(password)


def test_a_taken_port_is_refused_with_the_servers_own_words(
    server: EmbeddedPostgres, tmp_path: Path
) -> None:
    with pytest.raises(EmbeddedServerError, match="Address already in use"):
        EmbeddedPostgres(tmp_path / "data", port=server.port).start()


def test_a_server_that_cannot_start_lets_go_of_its_data(cluster: Path) -> None:
    broken = EmbeddedPostgres(cluster, settings={"shared_buffers": "nonsense"})
    with pytest.raises(EmbeddedServerError, match='invalid value for parameter "shared_buffers"'):
        broken.start()

    with EmbeddedPostgres(cluster) as server:
        assert kept(server) == ""


def test_an_abandoned_attempt_to_make_the_cluster_is_no_obstacle(tmp_path: Path) -> None:
    abandoned = tmp_path / "data/initdb-killed"
    abandoned.mkdir(parents=True)
    (abandoned / "PG_VERSION").write_text("18\n")

    with EmbeddedPostgres(tmp_path / "data") as server:
        assert ask(server, "SELECT 'ready'") == "ready"

    assert not abandoned.exists()


def test_it_runs_below_a_folder_that_only_its_owner_may_enter(tmp_path: Path) -> None:
    """A clone in root's home, run as root: PostgreSQL's account can't enter it by its path."""
    private = tmp_path / "private"
    private.mkdir(mode=0o700)

    with EmbeddedPostgres(private / "data") as server:
        execute(server, "CREATE TABLE kept (word text)")
        keep(server, "private")
        server.kill()
        server.start()
        assert kept(server) == "private"
        assert psutil.Process(server.pid).uids().effective != 0

    assert private.stat().st_mode & 0o777 == 0o700


def test_an_interrupt_in_the_terminal_does_not_reach_the_server(server: EmbeddedPostgres) -> None:
    assert os.getpgid(server.pid) != os.getpgid(0)
    assert os.getsid(server.pid) != os.getsid(0)


def lives(process: psutil.Process) -> bool:
    return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
