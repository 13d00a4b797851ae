import sys

import pytest

from service.embedded.processes import Process, Program
from service.embedded.supervising import Supervisor
from service.embedded.waiting import Waiter


@pytest.fixture
def supervisor():
    supervisor = Supervisor()
    yield supervisor
    supervisor.end()


def starter(code, started):
    def start():
        started.append(Process(Program("sleeper", (sys.executable, "-c", code), None, grace=1)))
        return started[-1]

    return start


def test_a_process_that_dies_is_started_again(supervisor, capsys):
    started = []
    (first,) = supervisor.keep(starter("import time; time.sleep(60)", started))

    first.kill9()
    assert Waiter().until(lambda: supervisor.tend() or len(started) == 2, within=5)

    assert started[1].alive()
    assert "the sleeper ended by itself (SIGKILL)" in capsys.readouterr().out


def test_one_that_dies_again_and_again_is_started_ever_more_slowly(supervisor, capsys):
    started = []
    supervisor.keep(starter("", started))

    Waiter().until(lambda: supervisor.tend() or False, within=2.5)

    # At once, after 1 second; the next would be 2 seconds later.
    assert len(started) == 2
    assert "Starting it again in 2 s" in capsys.readouterr().out


def test_the_last_started_end_first(supervisor, tmp_path):
    code = (
        "import signal, sys, time\n"
        "def end(*_): time.sleep(0.1); open({log!r}, 'a').write({name!r}); sys.exit()\n"
        "signal.signal(signal.SIGTERM, end); open({ready!r}, 'w').close(); time.sleep(60)"
    )
    log = tmp_path / "order"
    for name in ("a", "b"):
        supervisor.keep(starter(code.format(log=str(log), name=name, ready=str(tmp_path / name)), []))
        assert Waiter().until((tmp_path / name).exists, within=10)

    supervisor.end()

    assert log.read_text() == "ba"


def test_what_was_started_is_ended_even_if_its_neighbour_cannot_start(supervisor):
    started = []

    def fail():
        raise RuntimeError("no room")

    with pytest.raises(RuntimeError):
        supervisor.keep(starter("import time; time.sleep(60)", started), fail)
    supervisor.end()

    assert not started[0].alive()
