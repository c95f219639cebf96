"""What can go wrong, as exceptions. All of them are :class:`CorsacError`."""

from __future__ import annotations

__all__ = [
    "BudgetReachedError",
    "CallError",
    "CallTimeoutError",
    "ConfigurationError",
    "CorsacError",
    "InputTooLongError",
    "InvalidAnswerError",
    "ExecutionError",
    "LedgerError",
    "ModeratedError",
    "NoSuchModelError",
    "OutOfCreditsError",
    "ProviderError",
    "QueryError",
    "RateLimitedError",
    "RefusedError",
    "StoppedError",
    "TableError",
    "TruncatedError",
    "UnauthorizedError",
    "UnreachableError",
    "UsageError",
    "WriteError",
]


class CorsacError(Exception):
    """Something that Corsac could not do. The message says what, to what, and what to do about it."""


class ConfigurationError(CorsacError, ValueError):
    """A setting that is not understood, contradicts another one, or names what is not there."""


class UsageError(CorsacError, ValueError):
    """Arguments that make no sense together."""


class QueryError(CorsacError, ValueError):
    """A query, a verb or a column that cannot be understood or planned. Nothing was asked."""


class TableError(CorsacError, ValueError):
    """A table or file that cannot be found or read."""


class WriteError(CorsacError, OSError):
    """A result that cannot be written."""


class ExecutionError(CorsacError):
    """A query that failed while it ran, for a reason that has nothing to do with a model."""


class LedgerError(CorsacError):
    """The ledger cannot be opened, read or written."""


class CallError(CorsacError):
    """A question that has no answer after all remedies.

    Attributes:
        kind: The class of failure, as SQL's ``outcome()`` and ``corsac runs show`` name it: ``"rate_limited"``.
        status: The HTTP status of the last reply, if there was one.
        model: The last model tried.
        provider: The last provider that replied, if it was named.
        attempts: Requests that were sent.
        cost: What they cost all the same, in dollars.
    """

    def __init__(
        self,
        message: str = "",
        *,
        kind: str = "internal",
        status: int | None = None,
        model: str | None = None,
        provider: str | None = None,
        attempts: int = 0,
        cost: float = 0.0,
    ) -> None:
        super().__init__(message)
        self.kind = kind
        self.status = status
        self.model = model
        self.provider = provider
        self.attempts = attempts
        self.cost = cost


class InputTooLongError(CallError):
    """The input does not fit the context of any model that may be asked, or cannot be put to one."""


class RefusedError(CallError):
    """The request itself was refused and no remedy helped."""


class ModeratedError(CallError):
    """Moderation, a guardrail or the model declined to answer."""


class InvalidAnswerError(CallError):
    """The answer did not have the form asked for, also after asking again."""


class TruncatedError(CallError):
    """The answer was cut at ``max_tokens``."""


class RateLimitedError(CallError):
    """The limit on requests did not clear in time."""


class ProviderError(CallError):
    """Providers failed, or no reply could be read."""


class CallTimeoutError(CallError, TimeoutError):
    """There was no reply in time."""


class UnreachableError(CallError, ConnectionError):
    """The service cannot be reached."""


class NoSuchModelError(CallError):
    """The model is unknown, or nobody serves it under these settings."""


class UnauthorizedError(CallError):
    """The key is missing, wrong or not allowed."""


class OutOfCreditsError(CallError):
    """The account has no credits left. What is answered is kept."""


class BudgetReachedError(CallError):
    """The ceiling that was set is reached. What is answered is kept."""


class StoppedError(CallError):
    """The run was stopped before the question was answered."""
