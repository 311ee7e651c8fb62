"""A Drive that is a folder; what lies in it outlives the process, as the real one does."""

from pathlib import Path

mounted: list[str] = []


def mount(mountpoint: str, force_remount: bool = False) -> None:
    """Make the folder that Colab shows the Drive in."""
    (Path(mountpoint) / "MyDrive").mkdir(parents=True, exist_ok=True)
    mounted.append(mountpoint)
