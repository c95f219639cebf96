"""Functions of columns; the same as :mod:`corsac.functions`."""

from corsac.functions import *  # noqa: F403
from corsac.functions import __all__ as _names
from corsac.functions import arr as arr
from corsac.functions import dt as dt
from corsac.functions import embedding as embedding
from corsac.functions import json as json
from corsac.functions import markdown as markdown
from corsac.functions import semantic as semantic
from corsac.functions import text as text

__all__ = [*_names, "arr", "dt", "embedding", "json", "markdown", "semantic", "text"]
