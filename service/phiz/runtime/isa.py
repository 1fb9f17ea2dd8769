"""The limit that the environment sets on the instructions of a runtime."""

from collections.abc import Mapping
from typing import Final

# The variable of oneDNN by its current and its older name. OpenVINO follows it.
ISA_VARIABLES: Final = ("ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA")


def get_isa_limit(environ: Mapping[str, str]) -> str | None:
    """Return the limit of OpenVINO's instructions, such as ``AVX2``, or None.

    Args:
        environ: The environment variables.
    """
    given = (environ.get(name) for name in ISA_VARIABLES)
    return next((limit for limit in given if limit), None)
