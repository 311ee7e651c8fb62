"""What the shell does with pictures: ``detect`` finds objects; ``export`` and ``page`` make files.

One file a command; `detlearn.__main__` puts them together with those of the other rooms.
"""
