"""A provider of data sources, to be copied: an ordinary Temporal worker.

Its activities are named as the definition names its data sources:
    python -m examples.dsc.provider

It takes its Temporal address from HEDDLE_TEMPORAL_ADDRESS (127.0.0.1:7233 when that is not set).
"""

from __future__ import annotations

import asyncio
import os
from typing import Any

from temporalio import activity
from temporalio.client import Client
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory
from temporalio.worker import Worker

TASK_QUEUE = "dsc-sources"
"""What HEDDLE_DATA_SOURCES says for the type COMMENDA_LOGICAL_BACKEND."""

# They stand in for the back end's tables.
DIRECTORS = {
    "c9": [
        {"id": "d1", "name": "Asha Rao", "hasDsc": False},
        {"id": "d2", "name": "Bela Shah", "hasDsc": True},
        {"id": "d3", "name": "Chandra Iyer", "hasDsc": False},
    ]
}
CONTACTS = {"d1": "asha@weaving.example", "d2": "bela@weaving.example", "d3": "chandra@weaving.example"}


@activity.defn(name="getDirectors")
async def get_directors(request: dict[str, Any]) -> dict[str, Any]:
    """List the directors of a company.

    `request` is {dataSourceID, params, alias, execution: {id, workspace}, step: {id, visit}}, and for a source that is
    asked for each item also `item`. Whoever serves several tenants goes by the workspace.
    """
    company = request["params"]["companyId"]
    if company not in DIRECTORS:
        # It will not be there at the next attempt either; and it is an answer, no defect that a log should show.
        raise ApplicationError(
            f"there is no company {company}",
            type="NO_COMPANY",
            non_retryable=True,
            category=ApplicationErrorCategory.BENIGN,
        )
    return {"data": DIRECTORS[company]}


@activity.defn(name="getContact")
async def get_contact(request: dict[str, Any]) -> dict[str, str]:
    """Tell how to reach a person."""
    return {"email": CONTACTS[request["params"]["personId"]]}


async def main() -> None:
    """Work until interrupted."""
    client = await Client.connect(os.environ.get("HEDDLE_TEMPORAL_ADDRESS", "127.0.0.1:7233"))
    await Worker(client, task_queue=TASK_QUEUE, activities=[get_directors, get_contact]).run()


if __name__ == "__main__":
    asyncio.run(main())
