"""The paths under which users of other frames look for types and errors: ``corsac.core.types``, ``corsac.core.error``."""
