"""Changes inputs by chance, the same ones for the same seed, without atheris."""

from collections.abc import Iterator, Sequence
from random import Random

_EDGES = (
    b"\0",
    b"\1",
    b"\x7f",
    b"\x80",
    b"\xff",
    b"\0\0\0\0",
    b"\xff\xff\xff\xff",
    b"\xff\xff\xff\x7f",
)
_MOST_CHANGES = 4


def mutate(seeds: Sequence[bytes], count: int, seed: int, max_bytes: int) -> Iterator[bytes]:
    """Yield inputs that differ from one of the seeds in one to four places."""
    random = Random(seed)  # noqa: S311  for the same inputs in each run
    for _ in range(count):
        content = bytearray(random.choice(seeds))
        for _ in range(random.randint(1, _MOST_CHANGES)):
            _change(content, random, seeds)
        yield bytes(content[:max_bytes])


def _change(content: bytearray, random: Random, seeds: Sequence[bytes]) -> None:
    """Overwrite, insert, remove, repeat or replace a part."""
    start = random.randint(0, len(content))
    end = min(len(content), start + random.choice((1, 2, 4, 8, 64)))
    match random.randrange(5):
        case 0:
            content[start:end] = random.randbytes(end - start)
        case 1:
            edge = random.choice(_EDGES)
            content[start : start + len(edge)] = edge
        case 2:
            del content[start:end]
        case 3:
            content[start:start] = content[start:end] * random.choice((1, 2, 16))
        case _:
            other = random.choice(seeds)
            content[start:] = other[min(start, len(other)) :]
