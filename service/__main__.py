"""The commands: `heddle dev`, `serve`, `work` and `migrate`."""

import argparse
import logging
import os
import sys
import time

from service.settings import BadSetting, DevSettings, Settings


def main() -> int:
    """Run one command; the answer is the exit code."""
    arguments = _parser().parse_args()
    try:
        return _run(arguments)
    except BadSetting as error:
        print(f"heddle: {error}", file=sys.stderr)
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="heddle", description="Workflow templates, executed by Temporal.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")
    dev = commands.add_parser("dev", help="start Heddle on this machine with everything it needs")
    dev.add_argument("--example", action="store_true", help="run examples/incorporation once all is up")
    dev.add_argument("--oneshot", action="store_true", help="stop when all was up and the example has run")
    commands.add_parser("serve", help="answer gRPC calls until told to stop")
    commands.add_parser("work", help="carry out executions until told to stop")
    commands.add_parser("migrate", help="bring the database's tables up to date")
    return parser


def _run(arguments: argparse.Namespace) -> int:
    # Each command imports what it needs when it is chosen: Temporal and gRPC take a noticeable part of a second.
    if arguments.command == "dev":
        from service.embedded.dev import dev

        return dev(DevSettings.from_environment(os.environ), example=arguments.example, oneshot=arguments.oneshot)
    settings = Settings.from_environment(os.environ)
    _log_to_stderr()
    if arguments.command == "serve":
        from service.rpc.server import serve

        serve(settings)
    elif arguments.command == "work":
        from service.temporal.memory import return_large_blocks
        from service.temporal.worker import work

        return_large_blocks(os.environ)
        work(settings)
    else:
        from storage.migrating import migrate

        migrate(settings.database_url)
    return 0


def _log_to_stderr() -> None:
    formatter = logging.Formatter("%(asctime)s.%(msecs)03dZ %(levelname)s %(name)s: %(message)s", "%Y-%m-%dT%H:%M:%S")
    # UTC, because the lines of several machines are read side by side.
    formatter.converter = time.gmtime
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    logging.basicConfig(level=logging.INFO, handlers=[handler])


if __name__ == "__main__":
    sys.exit(main())
