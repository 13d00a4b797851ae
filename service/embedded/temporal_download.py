"""Downloads Temporal's development server with the SDK's own downloader: temporal_download VERSION FOLDER.

A process of its own, so that whoever waits for it can show the time and break it off.
"""

import asyncio
import sys

from temporalio.testing import WorkflowEnvironment


async def _download(version: str, folder: str) -> None:
    # The SDK has no word for "download only": starting a server is what fetches it.
    server = await WorkflowEnvironment.start_local(dev_server_download_version=version, download_dest_dir=folder)
    await server.shutdown()


if __name__ == "__main__":
    asyncio.run(_download(*sys.argv[1:3]))
