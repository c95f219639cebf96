"""From Corsac's exceptions to those that a DSPy engine raises, which DSPy turns into its own."""

from __future__ import annotations

from dspy import lm15

from corsac import errors

__all__ = ["canonical"]

#: Specific classes stand before their parents. By the time one of these is raised, the engine has done what could be done.
_CLASSES: tuple[tuple[type[errors.CorsacError], type[lm15.LM15Error]], ...] = (
    (errors.InputTooLongError, lm15.ContextLengthError),
    (errors.NoSuchModelError, lm15.UnsupportedModelError),
    (errors.UnauthorizedError, lm15.AuthError),
    (errors.OutOfCreditsError, lm15.BillingError),
    (errors.BudgetReachedError, lm15.BillingError),
    (errors.RateLimitedError, lm15.RateLimitError),
    (errors.CallTimeoutError, lm15.TimeoutError),
    (errors.UnreachableError, lm15.TransportError),
    (errors.ProviderError, lm15.ServerError),
    (errors.RefusedError, lm15.InvalidRequestError),
    (errors.TruncatedError, lm15.InvalidRequestError),
    (errors.ModeratedError, lm15.InvalidRequestError),
    (errors.InvalidAnswerError, lm15.ProviderError),
    (errors.StoppedError, lm15.ProviderError),
    (errors.CallError, lm15.ProviderError),
    (errors.ConfigurationError, lm15.ConfigurationError),
    (errors.LedgerError, lm15.ConfigurationError),
)


def canonical(error: errors.CorsacError) -> lm15.LM15Error:
    """The same failure as DSPy's engines raise it. What Corsac knows beside it stays reachable as ``__cause__``."""
    kind = next((target for source, target in _CLASSES if isinstance(error, source)), lm15.ProviderError)
    message = str(error)
    if not isinstance(error, errors.CallError):
        return kind(message)
    spent = f" (asked {error.attempts} times, ${error.cost:.6f})" if error.attempts > 1 else ""
    return kind(message + spent, provider=error.provider, provider_code=error.kind, status=error.status)
