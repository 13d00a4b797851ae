"""The README, done as it says: every line of its tour is run in a bash session, from an empty workspace."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.end_to_end.api import SERVICES

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
GRPCURL = "v1.9.3"


@dataclass(frozen=True)
class Block:
    """Lines to copy, and what the README shows of their output; "…" stands for whatever varies."""

    bash: str
    shown: str


def section(heading: str) -> str:
    """The text of the README below one heading."""
    return README.split(f"\n## {heading}\n")[1].split("\n## ")[0]


def blocks(text: str) -> list[Block]:
    fences = re.findall(r"^```(\w+)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    after = [*fences[1:], ("", "")]
    return [
        Block(content, next_content if next_kind == "text" else "")
        for (kind, content), (next_kind, next_content) in zip(fences, after, strict=True)
        if kind == "bash"
    ]


def run(lines: list[str], program: Path, **variables: str) -> list[str]:
    """Run bits of bash in one session that ends with the first one to fail; gives the output of each."""
    script = "\n".join(f"printf '\\n--- %s\\n' {number}\n{bit}" for number, bit in enumerate(lines))
    session = subprocess.run(
        ["bash", "-eE", "-o", "pipefail"],
        input=f"trap 'echo \"failed: $BASH_COMMAND\"' ERR\n{script}",
        # One pipe for both, as in a terminal.
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=60,
        env={**os.environ, "PATH": f"{program.parent}{os.pathsep}{os.environ['PATH']}", **variables},
    )
    assert session.returncode == 0, session.stdout
    return re.split(r"^--- \d+\n", session.stdout, flags=re.MULTILINE)[1:]


def matches(output: str, shown: str) -> bool:
    """Tell whether an output has what is shown: "…" is any part of a line, or alone on a line any number of them."""
    lines = [".*".join(map(re.escape, line.split("…"))) + r"\n" for line in shown.splitlines()]
    pattern = "".join(r"(?:.*\n)*?" if line == r".*\n" else line for line in lines)
    return re.search(f"^{pattern}", output, re.MULTILINE) is not None


def take_tour(program: Path, target: str, workspace: str) -> list[tuple[Block, str]]:
    """Copy the lines of the tour; gives each block with its output."""
    found = blocks(section("A tour"))
    there = [
        block.bash.replace("127.0.0.1:50051", target).replace(
            "heddle-workspace: tour", f"heddle-workspace: {workspace}"
        )
        for block in found
    ]
    return list(zip(found, run(there, program), strict=True))


@pytest.fixture(scope="session")
def real_grpcurl() -> Path:
    """The grpcurl on PATH, or else one that Go builds once into the user's cache."""
    if on_path := shutil.which("grpcurl"):
        return Path(on_path)
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "heddle"
    program = cache / f"grpcurl-{GRPCURL}" / "grpcurl"
    if not program.exists():
        if not shutil.which("go"):
            pytest.skip("there is neither grpcurl nor a Go to build it with")
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache) as folder:
            source = f"github.com/fullstorydev/grpcurl/cmd/grpcurl@{GRPCURL}"
            build = subprocess.run(
                ["go", "install", source],
                env={**os.environ, "GOBIN": folder},
                capture_output=True,
                text=True,
                check=False,
            )
            if build.returncode != 0:
                pytest.skip(f"grpcurl could not be built: {build.stderr[-500:]}")
            program.parent.mkdir(exist_ok=True)
            (Path(folder) / "grpcurl").replace(program)
    return program


@pytest.fixture(scope="session")
def stand_in(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A program of grpcurl's name that has only the server's reflection to go by."""
    program = tmp_path_factory.mktemp("bin") / "grpcurl"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{Path(__file__).with_name("grpcurl.py")}" "$@"\n')
    program.chmod(0o755)
    return program


@pytest.mark.parametrize("name", ["real_grpcurl", "stand_in"])
def test_the_tour_works_from_an_empty_workspace_and_shows_what_it_says(heddle, workspace, request, name):
    outputs = take_tour(request.getfixturevalue(name), heddle.target, workspace)

    for block, output in outputs:
        assert matches(output, block.shown), f"{block.bash}\nshould show\n{block.shown}\nbut shows\n{output}"


def test_the_tour_may_be_taken_again(heddle, workspace, real_grpcurl):
    first = take_tour(real_grpcurl, heddle.target, workspace)
    again = take_tour(real_grpcurl, heddle.target, workspace)

    assert [made(*each) for each in again] == [made(*each) for each in first]


def made(block: Block, output: str) -> list[str]:
    """The ids that lines keep for later ones."""
    return re.findall(r'^    "id": "(.*)"', output, re.MULTILINE) if "id_of)" in block.bash else []


def test_the_tour_calls_every_service():
    called = re.findall(r"heddle\.v1\.(\w+)Service/", section("A tour"))

    assert set(called) == set(SERVICES)


def test_the_stand_in_tells_why_a_call_was_refused(heddle, workspace, stand_in):
    line = f"grpcurl -plaintext -H 'heddle-workspace: {workspace}' -d '{{\"template_key\": \"nope\"}}' " + (
        f"{heddle.target} heddle.v1.TemplateService/GetTemplate || echo exit code $?"
    )

    assert '  Message: template "nope" does not exist\nexit code 69\n' in run([line], stand_in)[0]


def test_the_line_for_python_makes_stubs(tmp_path):
    (block,) = blocks(section("Stubs for your language"))
    (tmp_path / "protos").symlink_to(ROOT / "protos")

    run([f"cd {tmp_path}\n{block.bash}"], Path(sys.executable))

    assert (tmp_path / "gen/heddle/v1/template_service_pb2_grpc.py").exists()


def test_every_setting_is_described():
    read = set(re.findall(r'"(HEDDLE_[A-Z_]+)"', (ROOT / "service/settings.py").read_text()))
    described = set(re.findall(r"^\| `(HEDDLE_[A-Z_]+)`", section("Settings"), re.MULTILINE))

    assert described == read


@pytest.mark.parametrize("page", ["README.md", "docs/README.md"])
def test_what_the_pages_point_to_is_there(page):
    targets = re.findall(r"\]\((?!https?:)([^)#]+)", (ROOT / page).read_text())

    assert targets
    assert [target for target in targets if not ((ROOT / page).parent / target).exists()] == []


@pytest.mark.parametrize("target", sorted(set(re.findall(r"(?:`|^ {4})make ([a-z]+)\b", README, re.MULTILINE))))
def test_what_the_readme_makes_can_be_made(target):
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.MULTILINE)
