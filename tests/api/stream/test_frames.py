from phiz.api.stream.frames import Frame, NewestFrame


def frame(number: int) -> Frame:
    return Frame(number, b"image", float(number))


def test_only_the_newest_frame_is_kept() -> None:
    newest = NewestFrame()
    assert newest.take() is None
    assert newest.offer(frame(1)) is None
    assert newest.offer(frame(2)) == frame(1)
    assert newest.offer(frame(3)) == frame(2)
    assert newest.take() == frame(3)
    assert newest.take() is None
    assert newest.offer(frame(4)) is None
    assert newest.dropped == 2
