import signal
import subprocess
import sys

import pytest

from service.embedded.problem import Problem
from service.embedded.processes import Process, Program, birth, command_line, end_all, end_orphan
from service.embedded.waiting import Waiter

SLEEP = "import time; time.sleep(60)"
STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(60)"
)


@pytest.fixture
def start(tmp_path):
    started = []

    def start(code, **changes):
        program = Program("sleeper", (sys.executable, "-c", code), tmp_path / "sleeper.log", **changes)
        started.append(Process(program))
        return started[-1]

    yield start
    for process in started:
        process.kill9()


def eventually(happened):
    return Waiter().until(happened, within=10)


def test_a_process_ends_when_asked(start):
    process = start(SLEEP)

    process.end()

    assert process.exit_code == -signal.SIGTERM


def test_one_that_does_not_listen_is_killed(start, tmp_path):
    process = start(STUBBORN, grace=0.1)
    assert eventually(lambda: "deaf" in (tmp_path / "sleeper.log").read_text())

    end_all([process])

    assert process.exit_code == -signal.SIGKILL


def test_a_death_is_told_with_the_end_of_the_log(start):
    process = start("import sys; sys.exit('no such thing as a heddle')")
    assert eventually(lambda: not process.alive())

    with pytest.raises(Problem, match=r"(?s)the sleeper ended by itself \(exit code 1\).*no such thing as a heddle"):
        process.require_alive()


def test_a_death_by_signal_is_told_by_name(start):
    process = start("import os; os.abort()")
    assert eventually(lambda: not process.alive())

    assert "(SIGABRT)" in process.account_of_death()


def test_a_program_that_is_not_there_is_named():
    with pytest.raises(Problem, match="the program heddle-nowhere was not found"):
        Process(Program("nobody", ("heddle-nowhere",), None))


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ties a process to its parent's life")
def test_a_process_dies_with_the_one_that_started_it(tmp_path):
    code = (
        "import sys, time; from pathlib import Path; from service.embedded.processes import *\n"
        f"child = Process(Program('child', (sys.executable, '-c', {SLEEP!r}), None))\n"
        "print(child.pid, flush=True); time.sleep(60)"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    child = int(parent.stdout.readline())

    parent.kill()
    parent.communicate()

    assert eventually(lambda: birth(child) is None)


def test_an_orphan_is_found_again_by_its_birth_and_ended(start):
    process = start(SLEEP)
    born = birth(process.pid)

    assert born == birth(process.pid)
    assert eventually(lambda: "sleep(60)" in command_line(process.pid))
    end_orphan(process.pid, signal.SIGTERM)
    assert birth(process.pid) is None


def test_an_orphan_that_does_not_listen_is_killed(start, tmp_path):
    process = start(STUBBORN)
    assert eventually(lambda: "deaf" in (tmp_path / "sleeper.log").read_text())

    end_orphan(process.pid, signal.SIGTERM, grace=0.1)

    assert process.exit_code == -signal.SIGKILL


def test_what_never_was_has_no_birth_and_no_command():
    # Past the largest id that a kernel gives out.
    assert birth(2**22 + 1) is None
    assert command_line(2**22 + 1) == ""


def test_pipes_break_loudly_in_a_started_program(tmp_path):
    """Python ignores SIGPIPE; the programs that it starts must not."""
    log = tmp_path / "status.log"
    process = Process(Program("status", ("grep", "SigIgn", "/proc/self/status"), log))
    assert eventually(lambda: not process.alive())

    ignored = int(log.read_text().split()[1], 16)
    assert not ignored & (1 << (signal.SIGPIPE - 1))
