"""What the shell does with pictures: ``detect`` on files, folders and videos, and ``export``.

One file a command; `detlearn.__main__` puts them together with those of the other rooms.
"""
