"""What can go wrong; the same as :mod:`corsac.errors`."""

from corsac.errors import *  # noqa: F403
from corsac.errors import __all__ as __all__
