"""Hooks of schemathesis for the service: images among the bodies, and the one wrong status.

The command ``st`` loads this module by the variable ``SCHEMATHESIS_HOOKS``.
"""

from http import HTTPStatus
from typing import Any

import schemathesis
from hypothesis import strategies as st
from schemathesis import Case, CheckContext, Response

from fuzzing.mutation import mutate
from fuzzing.targets.images import SEED_BYTES, list_seeds

_MUTANTS = 1000
_SEED = 1

SEEDS = sorted(set(list_seeds()), key=len)
IMAGES = st.one_of(
    st.sampled_from(SEEDS),
    st.sampled_from(sorted(mutate(SEEDS, _MUTANTS, _SEED, SEED_BYTES))),
    st.binary(max_size=SEED_BYTES),
)

schemathesis.openapi.format("binary", IMAGES)
for media_type in ("image/*", "application/octet-stream"):
    schemathesis.openapi.media_type(media_type, IMAGES)


@schemathesis.check
def no_internal_error(_context: CheckContext, response: Response, _case: Case[Any]) -> None:
    """Refuse the status 500, which the document has, but no request may cause."""
    assert response.status_code != HTTPStatus.INTERNAL_SERVER_ERROR
