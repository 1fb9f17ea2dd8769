"""Readers that are fuzzed. Each function takes bytes, and raises only if it found a defect."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from fuzzing.targets import fetches, forms, images, messages, weights


@dataclass(frozen=True, slots=True)
class Target:
    """A reader, and inputs to start from.

    Attributes:
        read: Reads an input. Errors that the reader documents are caught.
        seeds: Yields valid inputs and nearly valid ones.
        max_bytes: Size of the largest input that is invented.
        share: Share of the time of a run, beside the other targets.
    """

    read: Callable[[bytes], None]
    seeds: Callable[[], Iterator[bytes]]
    max_bytes: int = 4096
    share: float = 1.0


TARGETS: Mapping[str, Target] = {
    "headers": Target(images.read_headers, images.list_seeds, share=2.0),
    "images": Target(images.decode, images.list_seeds, share=2.0),
    "metadata": Target(images.copy_metadata, images.list_seeds),
    "forms": Target(forms.read_form, forms.list_seeds, share=2.0),
    "options": Target(forms.read_options, forms.list_queries, max_bytes=300),
    "answers": Target(fetches.read_host_answer, fetches.list_answers),
    "addresses": Target(fetches.read_address, fetches.list_addresses, max_bytes=300),
    "messages": Target(messages.exchange, messages.list_seeds, max_bytes=1024),
    "pickles": Target(weights.read_pickle, weights.list_pickles),
    "networks": Target(weights.read_network, weights.list_networks),
    "wheels": Target(weights.read_wheel, weights.list_wheels),
}
"""Target by name."""
