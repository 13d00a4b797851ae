"""Write generated/ from protos/: messages, gRPC stubs and their types."""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

PROTOS = Path("protos")
GENERATED = Path("generated")


def main() -> None:
    """Replace generated/ as a whole, so that nothing stays of a proto that was renamed."""
    with tempfile.TemporaryDirectory() as folder:
        fresh = Path(folder)
        generate(fresh)
        for old in GENERATED.iterdir():
            shutil.rmtree(old) if old.is_dir() else old.unlink()
        shutil.copytree(fresh, GENERATED, dirs_exist_ok=True)


def generate(folder: Path) -> None:
    """Write what protoc makes of every proto into a folder."""
    # The types come from mypy-protobuf: protoc's own --pyi_out knows no services, and fails mypy --strict.
    _protoc("*.proto", "--python_out=", "--mypy_out=quiet:", folder=folder)
    # Only of the verbs: from a file without services, it would make modules with nothing in them.
    _protoc("*_service.proto", "--grpc_python_out=", "--mypy_grpc_out=quiet:", folder=folder)


def _protoc(pattern: str, *outputs: str, folder: Path) -> None:
    protos = sorted(str(proto) for proto in PROTOS.rglob(pattern))
    plugins = Path(sys.executable).parent
    subprocess.run(
        [
            *(sys.executable, "-m", "grpc_tools.protoc", f"--proto_path={PROTOS}"),
            *(f"--plugin={plugins / plugin}" for plugin in ("protoc-gen-mypy", "protoc-gen-mypy_grpc")),
            *(f"{output}{folder}" for output in outputs),
            *protos,
        ],
        check=True,
    )


if __name__ == "__main__":
    main()
