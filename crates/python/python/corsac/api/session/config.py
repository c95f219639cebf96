"""The configuration of a session; the same as :mod:`corsac.config`."""

from corsac.config import *  # noqa: F403
from corsac.config import __all__ as __all__
