"""What a runtime's instructions are limited to by the environment."""

from collections.abc import Mapping
from typing import Final

# oneDNN's variable, by its name of today and by its older one; OpenVINO uses nothing beyond it.
ISA_VARIABLES: Final = ("ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA")


def get_isa_limit(environ: Mapping[str, str]) -> str | None:
    """Return what OpenVINO's instructions are limited to, such as ``AVX2``, or None.

    Args:
        environ: Of the environment.
    """
    given = (environ.get(name) for name in ISA_VARIABLES)
    return next((limit for limit in given if limit), None)
