"""The widget switch; it remembers what was called."""

calls: list[str] = []


def enable_custom_widget_manager() -> None:
    """A course of core widgets has no reason to call this; a test asserts that it does not."""
    calls.append("enable_custom_widget_manager")
