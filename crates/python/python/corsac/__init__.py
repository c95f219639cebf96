"""Ask a language model about every row of a table, reliably, and prove what it got and what it cost."""

from corsac._corsac import __version__

__all__ = ["__version__"]
