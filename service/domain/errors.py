"""What can be refused: one class for each cause, which code goes by, and one reason for each case, which callers go by.

Every reason stands in `reasons.REASONS` with its meaning and remedy, and in the enum `ErrorReason` of the protos.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Protocol


class HeddleError(Exception):
    """A call that is refused, in words for the caller.

    `reason` is a name in `reasons.REASONS`; `facts` are the values that the message speaks of. A fact that is None is
    left out.
    """

    code: ClassVar[str]
    """The canonical gRPC status that the cause is told by."""

    def __init__(self, reason: str, message: str, **facts: object) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.facts = {name: str(value) for name, value in facts.items() if value is not None}


class Invalid(HeddleError):
    """The request itself is wrong, whatever the state of things.

    `field` is the path of the field at fault, `violations` say all that is wrong with it where the message says the
    first.
    """

    code = "INVALID_ARGUMENT"

    def __init__(
        self, reason: str, message: str, *, field: str = "", violations: Sequence[str] = (), **facts: object
    ) -> None:
        super().__init__(reason, message, field=field or None, **facts)
        self.field = field
        self.violations = violations


class NotFound(HeddleError):
    """The workspace has no such thing."""

    code = "NOT_FOUND"


class AlreadyExists(HeddleError):
    """Another thing has that name already."""

    code = "ALREADY_EXISTS"


class Conflict(HeddleError):
    """Somebody else was quicker."""

    code = "ABORTED"


class WrongState(HeddleError):
    """The thing is not in a state that allows it."""

    code = "FAILED_PRECONDITION"


class Exhausted(HeddleError):
    """There is no room for more at the moment."""

    code = "RESOURCE_EXHAUSTED"


class Unavailable(HeddleError):
    """Something that Heddle needs is away."""

    code = "UNAVAILABLE"


class TooLate(HeddleError):
    """It took longer than it may."""

    code = "DEADLINE_EXCEEDED"


class Finding(Protocol):
    """What a check says of a definition; see `definition.rules`."""

    @property
    def severity(self) -> str:
        """ERROR or WARNING."""

    @property
    def rule(self) -> str:
        """The id of the rule."""

    @property
    def code(self) -> str:
        """The family of the rule."""

    @property
    def message(self) -> str:
        """What is wrong."""

    @property
    def pointer(self) -> str:
        """Where, as a JSON pointer."""


class DefinitionInvalid(WrongState):
    """A definition has errors; `findings` are all that the checks found."""

    def __init__(self, message: str, findings: Sequence[Finding], **facts: object) -> None:
        super().__init__("DEFINITION_INVALID", message, **facts)
        self.findings = findings
