import random

from benchmarks.speed.compare import BLANKED, OPTIONS, choose_options, make_requests

COUNT = 2000


def choose(seed: int) -> list[dict[str, str]]:
    chooser = random.Random(seed)  # noqa: S311  nothing is secret here
    return [choose_options(chooser) for _ in range(COUNT)]


def test_options_are_the_same_for_a_seed() -> None:
    assert choose(1) == choose(1) != choose(2)


def test_every_value_of_every_option_is_chosen() -> None:
    chosen = {item for options in choose(1) for item in options.items()}
    assert chosen == {(name, value) for name, values in OPTIONS.items() for value in values}


def test_wrong_values_are_chosen_seldom() -> None:
    wrong = [
        options.get("unknown") or any(OPTIONS[name][-1] == value for name, value in options.items())
        for options in choose(1)
    ]
    assert 0.05 < sum(map(bool, wrong)) / COUNT < 0.4


def test_requests_are_forms_and_raw_bodies_in_turns() -> None:
    requests = list(make_requests(6))
    kinds = [request.content_type.partition("/")[0] for request in requests[:6]]
    assert kinds == ["multipart", "image"] * 3
    assert [request.path for request in requests[6:]] == [
        "/detect/batch?model=front",
        "/detect",
        "/detect",
        "/detect?model=back",
    ]
    assert requests == list(make_requests(6))


def test_answers_may_differ_in_times_and_sentences_alone() -> None:
    one = b'{"faces":[0.5],"route":[{"why":"a \\"b\\""}],"timing_ms":{"total":1.5}}'
    other = b'{"faces":[0.5],"route":[{"why":"c","reason":"d"}],"timing_ms":{"total":2}}'
    apart = other.replace(b"0.5", b"0.6")
    assert BLANKED.sub(b"", one) == BLANKED.sub(b"", other) != BLANKED.sub(b"", apart)
