import asyncio
import stat

import pytest
from temporalio.client import Client

from service.embedded import ports, temporal, temporal_program
from service.embedded.problem import Problem
from service.embedded.waiting import Waiter

WAITER = Waiter()


@pytest.fixture
def bare(tmp_path, monkeypatch):
    """A machine with nothing on PATH but a shell, an empty cache and no internet."""
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(temporal_program, "_download", lambda *_: False)
    return tmp_path


def install(folder, name, script):
    program = folder / "bin" / name
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    return program


def find(folder):
    return temporal_program.find(log=folder / "temporal.log", waiter=WAITER)


def cached(folder):
    return folder / "cache" / "heddle" / "temporal-v1.5.1"


def test_a_program_on_path_comes_first(bare):
    program = install(bare, "temporal", "exit 0")

    assert find(bare) == program


def test_a_program_in_the_cache_is_used_again(bare):
    cached(bare).parent.mkdir(parents=True)
    cached(bare).touch()

    assert find(bare) == cached(bare)


def test_a_program_that_go_builds_lands_in_the_cache(bare):
    install(bare, "go", 'echo "$@" > "$GOBIN/temporal"')

    program = find(bare)

    assert program == cached(bare)
    assert "github.com/temporalio/cli/cmd/temporal@v1.5.1" in program.read_text()
    assert program.stat().st_mode & stat.S_IXUSR
    assert list(program.parent.iterdir()) == [program]


def test_a_build_that_fails_leaves_nothing_and_says_where_the_reason_is(bare):
    install(bare, "go", 'echo half > "$GOBIN/temporal"; echo "no space left" >&2; exit 1')

    with pytest.raises(Problem, match=r"could not be built.*temporal\.log"):
        find(bare)

    assert not list(cached(bare).parent.iterdir())
    assert "no space left" in (bare / "temporal.log").read_text()


def test_without_internet_and_go_the_ways_out_are_named(bare):
    with pytest.raises(Problem) as problem:
        find(bare)

    for way in ("internet", "Go", "PATH", "HEDDLE_TEMPORAL_ADDRESS"):
        assert way in str(problem.value)


def test_a_cache_that_cannot_be_written_is_named(bare, monkeypatch):
    (bare / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(bare / "file"))

    with pytest.raises(Problem, match=r"file/heddle .* cannot be written(.|\n)*XDG_CACHE_HOME"):
        find(bare)


def test_a_second_start_keeps_the_executions(tmp_path, temporal_server):
    program = temporal_server[0].program

    async def of(server, act):
        process = server.start()
        try:
            server.await_ready(process, WAITER)
            client = await Client.connect(server.address, namespace=server.namespace)
            return await act(client)
        finally:
            process.end()

    async def begin(client):
        await client.start_workflow("Kept", id="kept", task_queue="nobody")

    async def look(client):
        return (await client.get_workflow_handle("kept").describe()).workflow_type

    server = temporal.DevServer(program, ports.free(), "loom", tmp_path / "temporal.db", tmp_path / "log")
    asyncio.run(of(server, begin))
    assert asyncio.run(of(server, look)) == "Kept"
