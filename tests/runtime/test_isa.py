import pytest

from phiz.runtime.isa import get_isa_limit


@pytest.mark.parametrize(
    ("environ", "limit"),
    [
        pytest.param({}, None, id="no limit"),
        pytest.param({"ONEDNN_MAX_CPU_ISA": "AVX2"}, "AVX2", id="the name of today"),
        pytest.param({"DNNL_MAX_CPU_ISA": "SSE41"}, "SSE41", id="the older name"),
        pytest.param(
            {"DNNL_MAX_CPU_ISA": "SSE41", "ONEDNN_MAX_CPU_ISA": "AVX2"}, "AVX2", id="both names"
        ),
        pytest.param(
            {"ONEDNN_MAX_CPU_ISA": "", "DNNL_MAX_CPU_ISA": "SSE41"}, "SSE41", id="one is empty"
        ),
        pytest.param({"MAX_CPU_ISA": "AVX2"}, None, id="another variable"),
    ],
)
def test_limit_is_read_from_the_variables_of_onednn(
    environ: dict[str, str], limit: str | None
) -> None:
    assert get_isa_limit(environ) == limit
