import random

from benchmarks.endurance.hostile import WEBP_34_BYTES
from benchmarks.endurance.mixture import ANSWERED, ANY, REFUSED, choose_request, encode_images

COUNT = 20_000


def seeded(seed: int) -> random.Random:
    return random.Random(seed)  # noqa: S311  nothing is secret here


def test_requests_are_of_all_kinds_and_the_same_for_a_seed() -> None:
    images = encode_images(seeded(1), 64)
    first, again = (
        [choose_request(chance, images) for _ in range(COUNT)] for chance in (seeded(2), seeded(2))
    )
    assert first == again
    cut = [request for request in first if request.sent_bytes is not None]
    refused = [request for request in first if request.allowed == REFUSED]
    answered = [request for request in first if request.allowed == ANSWERED]
    costly = [request for request in first if request.allowed == ANY]
    assert costly
    assert all(WEBP_34_BYTES in request.message for request in costly)
    assert len(cut) + len(refused) + len(answered) + len(costly) == COUNT
    assert 0.002 < len(cut) / COUNT < 0.03
    assert 0.002 < len(refused) / COUNT < 0.03
    for piece in (
        b"/detect/batch",
        b"transfer-encoding: chunked",
        b"?model=",
        b"boundary",
        b"mtcnn",
    ):
        assert any(piece in request.message[:400] for request in answered), piece
