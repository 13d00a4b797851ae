"""The activities that know where data sources are: what stands in this worker's settings."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Executor
from urllib.parse import quote

from temporalio import activity
from temporalio.exceptions import ApplicationError

from service.domain.json_text import Json
from service.posting import PostFailed, post
from service.settings import DataSource
from service.temporal.fetching import MAX_DATA
from service.temporal.orders import FETCH, PROVIDER_OF, FetchOrder


class DataSources:
    """The data sources that the settings name, by type."""

    def __init__(self, places: Mapping[str, DataSource], threads: Executor) -> None:
        self._places = places
        self._threads = threads

    @activity.defn(name=PROVIDER_OF)
    async def provider_of(self, type: str) -> dict[str, str] | None:
        """Say where data sources of a type are served: {"queue": name} or {"url": url}, None when nowhere."""
        place = self._places.get(type)
        if place is None:
            return None
        return {"queue": place.queue} if place.queue else {"url": place.url}

    @activity.defn(name=FETCH)
    async def fetch(self, order: FetchOrder) -> Json:
        """Ask an HTTP endpoint once.

        Fails with DATA_SOURCE_UNAVAILABLE, which may pass, or DATA_SOURCE_REFUSED, _INVALID or _TOO_LARGE.
        """
        place = self._places.get(order.type)
        if place is None or place.url != order.url:  # never send one endpoint's token to another
            message = f"the settings of this worker no longer say that {order.type} is served where it was"
            raise ApplicationError(message, type="DATA_SOURCE_UNAVAILABLE")
        headers = {"Idempotency-Key": quote(order.idempotency_key)}
        if place.token:
            headers["Authorization"] = f"Bearer {place.token}"
        try:
            return await post(
                order.url, order.document, headers=headers, within=order.timeout, limit=MAX_DATA, threads=self._threads
            )
        except PostFailed as failed:
            passing = failed.kind == "UNAVAILABLE"
            raise ApplicationError(
                failed.message, type=f"DATA_SOURCE_{failed.kind}", non_retryable=not passing
            ) from None
