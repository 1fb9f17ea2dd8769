import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from io import BytesIO
from typing import Any

import pytest
from PIL import Image

from benchmarks.endurance import attackers
from benchmarks.endurance.attackers import ATTACKS, LEAVING, TRICKLING, attack
from benchmarks.endurance.attacks import Effect, Phase, compute_effects
from benchmarks.endurance.hostile import WEBP_34_BYTES, encode_paved_png, encode_thin_png
from benchmarks.endurance.proxy import CONFIGURATION, adapt_configuration
from benchmarks.kit.requests import HOST

CALM = Phase("webp", "direct", "one", 0, 1.0, 5.0, 10.0, 50.0, 300.0, {"200": 80}, {})


@pytest.mark.parametrize(
    ("changes", "is_harmless"),
    [
        pytest.param({}, True, id="calm"),
        pytest.param({"success": 0.98}, False, id="failures"),
        pytest.param({"p99_ms": 101.0}, False, id="slow"),
        pytest.param({"service_mb": 61.0}, False, id="memory"),
    ],
)
def test_worst_phase_decides(changes: dict[str, Any], *, is_harmless: bool) -> None:
    phases = [CALM, replace(CALM, clients=1, attackers={"408": 2}, **changes), CALM]
    effect = Effect.of(CALM, "direct", phases)
    assert effect.is_harmless is is_harmless
    assert effect.attackers == {"408": 2}


def test_row_compares_with_before_and_marks_missed_goals() -> None:
    phases = [replace(CALM, success=0.5, attackers={"503 overloaded": 1200})]
    effect = Effect.of(CALM, "direct", phases)
    before = replace(effect, success=0.25, slowdown=20.0)
    assert effect.to_row(before) == [
        *("webp", "direct", "**50.0 %**", "5.0", "1.0", "1.00", "300", "503 overloaded: 1,200"),
        *("**25.0 %**", "**20.0**", "1.00"),
    ]


def test_attackers_at_the_users_address_have_a_row_of_their_own_at_the_proxy() -> None:
    phases = [replace(CALM, success=0.5), replace(CALM, addresses="own", success=0.9)]
    assert [effect.success for effect in compute_effects(CALM, *phases)] == [0.5]
    calm = replace(CALM, way="proxy")
    effects = [(effect.way, effect.success) for effect in compute_effects(calm, *phases)]
    assert effects == [("proxy", 0.9), ("proxy, users' address", 0.5)]


@pytest.mark.parametrize(
    ("encode", "size_wh", "max_bytes"),
    [
        pytest.param(lambda: WEBP_34_BYTES, (16383, 3000), 34, id="webp"),
        pytest.param(encode_paved_png, (2000, 2000), 100_000, id="paved"),
        pytest.param(encode_thin_png, (24_000_000, 1), 25_000, id="thin"),
    ],
)
def test_hostile_images_are_valid_and_small(
    encode: Callable[[], bytes], size_wh: tuple[int, int], max_bytes: int
) -> None:
    data = encode()
    with Image.open(BytesIO(data)) as opened:
        assert opened.size == size_wh
    assert len(data) <= max_bytes


def run_attack(name: str, answer: bytes, hosts: Sequence[str]) -> tuple[dict[str, int], bytes]:
    """Return the answers to an attack on a server that gives one answer, and what it received."""
    received = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        received.append(await reader.read(1000))
        writer.write(answer)
        await reader.read()
        writer.close()
        await writer.wait_closed()

    async def run() -> dict[str, int]:
        async with await asyncio.start_server(serve, HOST, 0) as server:
            counts = await attack(name, server.sockets[0].getsockname()[1], 0.3, hosts)
            await asyncio.sleep(0.1)
            return dict(counts)

    return asyncio.run(run()), received[0]


def test_attackers_count_their_answers_and_what_stays_open() -> None:
    refused = b'HTTP/1.1 503 x\r\ncontent-length: 21\r\n\r\n{"code":"overloaded"}'
    answers, received = run_attack("webp", refused, ["127.0.0.1", "127.0.0.2"])
    assert answers == {"503 overloaded": 2}
    assert b"phiz-deadline: 0.05\r\n" in received
    assert received.endswith(WEBP_34_BYTES)
    assert run_attack("batch", b"", [HOST])[0] == {"open": 1}
    assert asyncio.run(attack("webp", 1, 0.1, [])) == {}
    assert len(ATTACKS) >= 8


def test_faulty_clients_send_slowly_or_leave(monkeypatch: pytest.MonkeyPatch) -> None:
    answers, received = run_attack("trickle", b"", [HOST])
    assert answers == {"open": TRICKLING}
    assert received.endswith(b"content-length: 100\r\n\r\n")
    monkeypatch.setattr(attackers, "LEAVE_S", 0.02)
    assert run_attack("leave", b"", [HOST])[0]["open"] > LEAVING


def test_configuration_of_the_proxy_needs_no_names() -> None:
    text = adapt_configuration(CONFIGURATION.read_text("utf-8"), 1234, 5678)
    assert f"bind {HOST}:1234" in text
    assert f"server phiz {HOST}:5678" in text
    assert "resolve" not in text.replace("# ", "").partition("backend")[2]
