"""Start a server or a worker with a bug planted in it: `HEDDLE_SOAK_PLANTED=<name> python -m soak.launch serve`.

The product knows nothing of this: the bug is patched in here, in the process that was started for it.
"""

from __future__ import annotations

import os
import sys

from service.__main__ import main
from soak.herd import PLANTED
from soak.planting import BUGS

if __name__ == "__main__":
    BUGS[os.environ[PLANTED]].plant()
    sys.exit(main())
