"""Who runs PostgreSQL: it refuses to run as root, so root hands it to somebody else."""

from __future__ import annotations

import os
import pwd
import subprocess
from dataclasses import dataclass
from pathlib import Path

from service.embedded.problem import Problem


@dataclass(frozen=True)
class Account:
    """A user of this machine other than the present one."""

    name: str
    uid: int
    gid: int

    def can_enter(self, folder: Path) -> bool:
        """Tell whether the user gets into a folder: one closed folder above it, such as /root, is enough to stop it."""
        # Asked of the system rather than worked out from modes, which know nothing of access lists.
        return (
            subprocess.run(
                ["test", "-x", str(folder)], user=self.uid, group=self.gid, extra_groups=[], cwd="/", check=False
            ).returncode
            == 0
        )


def for_postgres() -> Account | None:
    """The user that PostgreSQL runs as; None when that is the present one."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            user = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(name, user.pw_uid, user.pw_gid)
    raise Problem("PostgreSQL refuses to run as root, and there is no user `postgres` or `nobody` to run it as")
