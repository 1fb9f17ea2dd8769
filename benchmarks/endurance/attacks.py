r"""Whether hostile clients take the service away from everybody else.

::

    python -m benchmarks.endurance.attacks
    python -m benchmarks.endurance.attacks --only webp --only heads --way proxy --clients 1
    python -m benchmarks.endurance.attacks --json docs/measured/attacks.json \
        --table docs/reliability.md

Four users send 20 requests a second in all, each with a JPEG for ``front``: first alone, and then
beside 1, 2 and 8 hostile clients. Each attack of ``attackers`` meets the service itself and HAProxy
with the deployment's configuration, from the users' address and from others. The service is started
anew for each attack and way. All takes about ten minutes.

The exit status is 1 if fewer than 99 % of the users' requests have status 200, if their 99th
percentile is more than ten times that without an attack, or if the service's memory is more than
1.2 times that without an attack.
"""

import asyncio
import json
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from itertools import repeat
from pathlib import Path
from typing import Final, Self

import click

from benchmarks.endurance.attackers import ATTACKS, start_attack
from benchmarks.endurance.proxy import start_proxy
from benchmarks.endurance.users import SUCCESS, Users, encode_user_request
from benchmarks.endurance.watch import Watch
from benchmarks.kit.options import json_option, table_option
from benchmarks.kit.report import print_results, round_figures, write_entry
from benchmarks.kit.requests import HOST
from benchmarks.kit.service import start_service

RATE: Final = 20.0
USERS: Final = ("127.0.0.11", "127.0.0.12", "127.0.0.13", "127.0.0.14")
ONE_ADDRESS, OWN_ADDRESSES = "one", "own"
ATTACKER: Final = "127.0.1.{}"
DIRECT: Final = "direct"
SHARED: Final = ", users' address"
WAYS: Final = (DIRECT, "proxy")
PATIENCE_S: Final = 12.0  # longer than the deadline
MIN_SUCCESS, MAX_SLOWDOWN, MAX_GROWTH = 0.99, 10.0, 1.2
RECOVERY_S, PROBE_INTERVAL_S = 10.0, 0.5
ENTRY, BEFORE = "attacks", "before"
HEADINGS: Final = (
    *("attack", "way", "200", "p50, ms", "p99 / calm", "service MB / calm", "workers MB"),
    *("attackers are answered", "before: 200", "p99 / calm", "service MB / calm"),
)


@dataclass(frozen=True, slots=True)
class Phase:
    """The users' answers and the memory of the service in some seconds.

    ``clients`` are hostile ones, from ``addresses`` of their own or from one with the users. Memory
    is the most of the service and of all workers together, MB.
    """

    attack: str
    way: str
    addresses: str
    clients: int
    success: float
    p50_ms: float
    p99_ms: float
    service_mb: float
    workers_mb: float
    users: Mapping[str, int]
    attackers: Mapping[str, int]

    def to_line(self) -> str:
        """Return a line of progress."""
        return (
            f"{self.attack:9} {self.way:7} {self.clients} hostile, {self.addresses} address: "
            f"{self.success:6.1%} 200, p50 {self.p50_ms:7.1f}, p99 {self.p99_ms:7.1f} ms; "
            f"service {self.service_mb:6.1f}, workers {self.workers_mb:6.1f} MB; "
            f"users {json.dumps(self.users)}, attackers {json.dumps(self.attackers)}"
        )


@dataclass(frozen=True, slots=True)
class Effect:
    """The worst of some phases of one attack, against the calm phase before."""

    attack: str
    way: str
    success: float
    p50_ms: float
    slowdown: float
    growth: float
    workers_mb: float
    attackers: Mapping[str, int]

    @classmethod
    def of(cls, calm: Phase, way: str, phases: Sequence[Phase]) -> Self:
        """Return the worst figures of phases."""
        return cls(
            calm.attack,
            way,
            min(phase.success for phase in phases),
            max(phase.p50_ms for phase in phases),
            max(phase.p99_ms for phase in phases) / calm.p99_ms,
            max(phase.service_mb for phase in phases) / calm.service_mb,
            max(phase.workers_mb for phase in phases),
            dict(sum((Counter(phase.attackers) for phase in phases), Counter())),
        )

    @property
    def is_harmless(self) -> bool:
        """Whether all goals are reached."""
        return (
            self.success >= MIN_SUCCESS
            and self.slowdown <= MAX_SLOWDOWN
            and self.growth <= MAX_GROWTH
        )

    def to_row(self, before: Self | None) -> list[str]:
        """Return the row of the table, with the figures of an older version."""
        answers = sorted(self.attackers.items(), key=lambda pair: -pair[1])
        texts = [f"{answer}: {count:,}" for answer, count in answers]
        success, *others = self.format_figures()
        memory = f"{self.workers_mb:.0f}"
        own = (success, f"{self.p50_ms:.1f}", *others, memory, ", ".join(texts))
        older = before.format_figures() if before else [""] * 3
        return [self.attack, self.way, *own, *older]

    def format_figures(self) -> list[str]:
        """Return the figures that have a goal, in bold if they miss it."""
        figures = (
            (f"{100 * self.success:.1f} %", self.success >= MIN_SUCCESS),
            (f"{self.slowdown:.1f}", self.slowdown <= MAX_SLOWDOWN),
            (f"{self.growth:.2f}", self.growth <= MAX_GROWTH),
        )
        return [text if is_reached else f"**{text}**" for text, is_reached in figures]


@click.command()
@click.option("--only", "attacks", type=click.Choice([*ATTACKS]), multiple=True, default=[*ATTACKS])
@click.option("--way", "ways", type=click.Choice(WAYS), multiple=True, default=WAYS)
@click.option("--clients", type=int, multiple=True, default=(1, 2, 8), show_default=True)
@click.option("--seconds", type=float, default=4.0, show_default=True, help="Of a phase.")
@click.option("--workers", type=click.IntRange(1), default=2, show_default=True)
@click.option("--before", is_flag=True, help="Keep the figures to compare later ones with them.")
@json_option
@table_option
def main(  # noqa: PLR0913 (one for each option)
    *,
    attacks: Sequence[str],
    ways: Sequence[str],
    clients: Sequence[int],
    seconds: float,
    workers: int,
    before: bool,
    document: Path | None,
    page: Path | None,
) -> None:
    """Attack the service, and report what its users notice."""
    results = {
        f"{name}, {way}": asyncio.run(run_attack(name, way, clients, seconds, workers))
        for name in attacks
        for way in ways
    }
    entry = BEFORE if before else ENTRY
    known = json.loads(document.read_text("utf-8")) if document and document.exists() else {}
    effects = {
        f"{effect.attack}, {effect.way}": effect
        for phases in results.values()
        for effect in compute_effects(*phases)
    }
    # Attacks that are not in this run keep their figures.
    kept = {key: Effect(**each) for key, each in known.get(entry, {}).get("effects", {}).items()}
    measured = {key: [*map(asdict, each)] for key, each in results.items()}
    figures = {
        "effects": {key: asdict(effect) for key, effect in {**kept, **effects}.items()},
        "phases": {**known.get(entry, {}).get("phases", {}), **measured},
    }
    write_entry(document, entry, round_figures(figures))
    older = {key: Effect(**each) for key, each in known.get(BEFORE, {}).get("effects", {}).items()}
    rows = [
        effect.to_row(older.get(key.removesuffix(SHARED)))
        for key, effect in {**kept, **effects}.items()
    ]
    print_results(HEADINGS, rows, page, "attacks")
    sys.exit(not all(effect.is_harmless for effect in effects.values()))


def compute_effects(calm: Phase, *attacked: Phase) -> Iterator[Effect]:
    """Return the effect of an attack; at the proxy also that from the users' own address.

    The proxy gives each address its share, so users lose theirs to a hostile client that has it.
    """
    if calm.way == DIRECT:
        yield Effect.of(calm, calm.way, attacked)
        return
    for addresses, suffix in ((OWN_ADDRESSES, ""), (ONE_ADDRESS, SHARED)):
        phases = [phase for phase in attacked if phase.addresses == addresses]
        yield Effect.of(calm, calm.way + suffix, phases)


async def run_attack(
    name: str, way: str, hostile: Sequence[int], seconds: float, workers: int
) -> list[Phase]:
    """Return the calm phase, and then those of an attack on a service of its own."""
    with ExitStack() as ends:
        service = ends.enter_context(start_service(workers))
        port = service.port if way == DIRECT else ends.enter_context(start_proxy(service.port))
        trial = Trial(name, way, port, seconds, Watch(service))
        sampling = asyncio.create_task(trial.watch.take_samples())
        await trial.measure_phase(ONE_ADDRESS, 0)  # a warm-up
        phases = [await trial.measure_phase(ONE_ADDRESS, 0)]
        for addresses in (ONE_ADDRESS, OWN_ADDRESSES):
            for clients in hostile:
                phases.append(await trial.measure_phase(addresses, clients))
                await trial.wait_until_normal()
        sampling.cancel()
    return phases


@dataclass(frozen=True, slots=True)
class Trial:
    """An attack on a service that runs: the port that it meets, and the seconds of a phase."""

    attack: str
    way: str
    port: int
    seconds: float
    watch: Watch

    async def wait_until_normal(self) -> None:
        """Wait until a user's request is answered with status 200, but not for ever."""
        users, until_s = Users(self.port, [HOST], PATIENCE_S), time.perf_counter() + RECOVERY_S
        while not users.answers.counts.get(SUCCESS) and time.perf_counter() < until_s:
            await asyncio.sleep(PROBE_INTERVAL_S)
            await users.send_request(encode_user_request(self.port), time.perf_counter())
        users.close()

    async def measure_phase(self, addresses: str, clients: int) -> Phase:
        """Return a phase beside so many hostile clients."""
        is_own = addresses == OWN_ADDRESSES
        users = Users(self.port, USERS if is_own else [HOST], PATIENCE_S)
        hosts = [ATTACKER.format(place) if is_own else HOST for place in range(clients)]
        process = await start_attack(self.attack, self.port, self.seconds + 1, hosts)
        self.watch.take_peaks_mb()
        await users.send_at_rate(repeat(encode_user_request(self.port)), RATE, self.seconds)
        peaks_mb = self.watch.take_peaks_mb()
        answered, _ = await process.communicate()
        users.close()
        answers = users.answers
        phase = Phase(
            attack=self.attack,
            way=self.way,
            addresses=addresses,
            clients=clients,
            success=answers.success_share,
            p50_ms=answers.compute_percentile(50),
            p99_ms=answers.compute_percentile(99),
            service_mb=peaks_mb.pop("service", float("nan")),
            workers_mb=sum(peaks_mb.values()),
            users=answers.counts,
            attackers=json.loads(answered),
        )
        click.echo(phase.to_line())
        return phase


if __name__ == "__main__":
    main()
