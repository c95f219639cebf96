"""The paths under which users of other frames look for things."""
