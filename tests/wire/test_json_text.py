import json
from typing import Any

import pytest

from phiz.wire.json_text import encode_json


@pytest.mark.parametrize("content", [{}, {"a": [1, 2.5, None], "b": {"c": "é\n"}}])
def test_json_is_compact_utf_8_and_ends_with_a_line_break(content: dict[str, Any]) -> None:
    expected = json.dumps(content, separators=(",", ":"), ensure_ascii=False) + "\n"
    assert encode_json(content) == expected.encode()
