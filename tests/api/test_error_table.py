from collections.abc import Iterator

from phiz import errors
from phiz.api.error_table import ERROR_TABLE, ERRORS_BY_CODE, ROUTELESS_ERRORS
from phiz.api.errors import FRAMEWORK_CODES

# Of a service that starts, or of a command.
AT_START = (errors.SettingError, errors.ModelError, errors.VideoError)
AT_CLIENT = (errors.ServiceError,)
AT_REQUEST = (errors.ModelNotBuiltError, errors.ModelCorruptError)


def iterate_leaves(kind: type[errors.PhizError]) -> Iterator[type[errors.PhizError]]:
    """Yield the classes below one that have none below themselves."""
    children = kind.__subclasses__()
    for child in children:
        yield from iterate_leaves(child)
    if not children:
        yield kind


def test_table_has_every_error_of_a_request() -> None:
    raised = {
        kind.code
        for kind in iterate_leaves(errors.PhizError)
        if kind in AT_REQUEST or not issubclass(kind, (*AT_START, *AT_CLIENT))
    }
    routeless = {entry.code for entry in ROUTELESS_ERRORS}
    assert ERRORS_BY_CODE.keys() == raised | routeless | {*FRAMEWORK_CODES.values()}


def test_table_has_each_code_once_by_status() -> None:
    assert len(ERROR_TABLE) == len(ERRORS_BY_CODE)
    statuses = [entry.status for entry in ERROR_TABLE]
    assert statuses == sorted(statuses)


def test_texts_of_the_table_are_clauses_for_its_cells() -> None:
    texts = [text for entry in ERROR_TABLE for text in (entry.cause, entry.remedy)]
    assert [text for text in texts if not text or text.endswith(".") or "|" in text] == []
