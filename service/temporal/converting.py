"""How values are written for Temporal: JSON in UTF-8. The SDK writes ASCII, which can have three times the bytes.

Temporal's limits count bytes, and so do Heddle's; with this they count the same ones. Every reader of JSON reads both.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from temporalio.api.common.v1 import Payload
from temporalio.converter import (
    AdvancedJSONEncoder,
    CompositePayloadConverter,
    DataConverter,
    DefaultPayloadConverter,
    JSONPlainPayloadConverter,
)


class Utf8Json(JSONPlainPayloadConverter):
    """Writes JSON in UTF-8."""

    def to_payload(self, value: Any) -> Payload | None:
        """See the base class, which takes what UTF-8 has no bytes for: half a character."""
        try:
            data = json.dumps(
                value, cls=AdvancedJSONEncoder, separators=(",", ":"), sort_keys=True, ensure_ascii=False
            ).encode()
        except UnicodeEncodeError:
            return super().to_payload(value)
        return Payload(metadata={"encoding": self.encoding.encode()}, data=data)


class Converters(CompositePayloadConverter):
    """The SDK's own, but for JSON."""

    def __init__(self) -> None:
        own = Utf8Json()
        usual = DefaultPayloadConverter.default_encoding_payload_converters
        super().__init__(*(own if one.encoding == own.encoding else one for one in usual))


CONVERTER = replace(DataConverter.default, payload_converter_class=Converters)
