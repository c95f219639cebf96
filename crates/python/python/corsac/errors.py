"""What can go wrong, as exceptions. All of them are :class:`CorsacError`.

What is wrong with a program is a :class:`ValidationError`, said before anything is asked; a verb or a column that cannot be
planned is a :class:`PlanError` among them. :class:`CatalogError` is about tables and files, :class:`CallError` about a model.
"""

from __future__ import annotations

__all__ = [
    "BudgetReachedError",
    "CallError",
    "CallTimeoutError",
    "CatalogAlreadyExistsError",
    "CatalogError",
    "CatalogNotFoundError",
    "ColumnNotFoundError",
    "ConfigurationError",
    "CorsacError",
    "DatabaseAlreadyExistsError",
    "DatabaseNotFoundError",
    "ExecutionError",
    "InputTooLongError",
    "InvalidAnswerError",
    "InvalidExampleCollectionError",
    "LedgerError",
    "ModeratedError",
    "NoSuchModelError",
    "OutOfCreditsError",
    "PlanError",
    "ProviderError",
    "QueryError",
    "RateLimitedError",
    "RefusedError",
    "SessionError",
    "StoppedError",
    "TableAlreadyExistsError",
    "TableError",
    "TableNotFoundError",
    "TargetExistsError",
    "TruncatedError",
    "TypeMismatchError",
    "UnauthorizedError",
    "UnreachableError",
    "UsageError",
    "ValidationError",
    "WriteError",
]


class CorsacError(Exception):
    """Something that Corsac could not do. The message says what, to what, and what to do about it."""


class ConfigurationError(CorsacError, ValueError):
    """A setting that is not understood, contradicts another one, or names what is not there."""


class SessionError(ConfigurationError):
    """A session that was stopped."""


class ValidationError(CorsacError, ValueError):
    """Arguments, columns or a query that make no sense. Nothing was asked."""


class PlanError(ValidationError):
    """A verb, a column or a query that cannot be planned."""


class UsageError(PlanError):
    """Arguments that make no sense together."""


class InvalidExampleCollectionError(UsageError, TypeError):
    """Examples that do not go together, or not with what they are examples for."""


class QueryError(PlanError):
    """A query, a verb or a column that cannot be understood or planned."""


class ColumnNotFoundError(QueryError, KeyError):
    """A column that is not there."""

    # a KeyError shows its message in quotes
    __str__ = Exception.__str__


class TypeMismatchError(QueryError, TypeError):
    """A column whose type a verb, an operator or a function cannot take."""


class CatalogError(CorsacError, ValueError):
    """A catalog, a database, a table or a file that cannot be found, made or read."""


class TableError(CatalogError, PlanError):
    """A table or file that cannot be found or read. Nothing was asked."""


class TableNotFoundError(TableError):
    """A table that is not there."""


class TableAlreadyExistsError(TableError):
    """A table that is there already."""


class CatalogNotFoundError(CatalogError):
    """A catalog that is not there."""


class CatalogAlreadyExistsError(CatalogError):
    """A catalog that is there already."""


class DatabaseNotFoundError(CatalogError):
    """A database that is not there."""


class DatabaseAlreadyExistsError(CatalogError):
    """A database that is there already."""


class WriteError(CorsacError, OSError):
    """A result that cannot be written."""


class TargetExistsError(WriteError, PlanError, FileExistsError):
    """A file that is there already, and that must not be replaced. Nothing was asked."""


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
