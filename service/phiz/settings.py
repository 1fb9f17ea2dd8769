"""What a deployment chooses, from environment variables that begin with ``PHIZ_``.

An entry point builds the settings once and passes down what each part needs.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from phiz.errors import SettingError

PREFIX = "PHIZ_"
CLI_VARIABLES = ("PHIZ_HOST", "PHIZ_PORT", "PHIZ_MODEL_FILES")
# Kubernetes gives these to every container beside a service that is called phiz.
CLUSTER_PREFIXES = ("PHIZ_SERVICE_", "PHIZ_PORT_")


class Settings(BaseSettings):
    """The settings with their defaults; a variable that is empty counts as not set."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_ignore_empty=True, extra="ignore", frozen=True
    )

    models: Path | None = Field(
        default=None, description="Folder of the built models; by default where they are built."
    )
    sampling: Literal["reference", "half-pixel", "area"] = Field(
        default="half-pixel",
        description="How pictures are resized; 'reference' is what parity is measured with.",
    )
    runtime: Literal["onnxruntime", "openvino", "auto"] = Field(
        default="onnxruntime",
        description="What runs the networks; 'auto' is what was measured to be best.",
    )
    providers: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(),
        description="onnxruntime's execution providers, the preferred first, with commas.",
    )
    profile: Path | None = Field(
        default=None,
        description="What phiz study wrote; by default profile.json beside the models.",
    )
    max_bytes: int = Field(
        default=20 * 1024 * 1024, ge=1, description="Largest picture, bytes as sent."
    )
    max_pixels: int = Field(
        default=50_000_000, ge=1, description="Largest picture, width times height."
    )
    workers: int | None = Field(
        default=None,
        ge=1,
        le=1024,
        description="Processes that work, which is how many pictures are worked on at once; by"
        " default the processors this process may use, if there is memory for so many.",
    )
    queue: int | None = Field(
        default=None,
        ge=1,
        le=100_000,
        description="Detections that may wait for a worker; by default as many as can be"
        " answered in time.",
    )
    deadline: float = Field(
        default=10,
        gt=0,
        le=3600,
        allow_inf_nan=False,
        description="Seconds that an answer may take once the body is there.",
    )
    max_pictures: int = Field(
        default=16, ge=1, le=1000, description="Pictures in one request to /detect/batch."
    )
    body_timeout: int = Field(
        default=30,
        ge=1,
        le=3600,
        description="Seconds that the body of a request may take to come.",
    )
    log: Literal["text", "json"] = Field(
        default="text", description="What the lines of the log are, on standard error."
    )
    log_requests: Literal["none", "failed", "all"] | None = Field(
        default=None,
        description="Of which requests there is a line; by default of all with PHIZ_LOG=json, else"
        " of none.",
    )
    drain: int = Field(
        default=30,
        ge=0,
        le=3600,
        description="Seconds that requests already begun get to finish when the service stops.",
    )

    @field_validator("providers", mode="before")
    @classmethod
    def _split_providers(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        return tuple(name.strip() for name in value.split(",") if name.strip())


def load_settings() -> Settings:
    """Return the settings of this process's environment.

    Raises:
        SettingError: A value is of the wrong type or out of its range.
    """
    try:
        return Settings()
    except ValidationError as error:
        problems = error.errors(include_url=False, include_context=False)
    lines = (
        f"{_get_variable_name(problem['loc'])} is {problem['input']!r}: {problem['msg']}"
        for problem in problems
    )
    raise SettingError("; ".join(lines))


def find_unknown_variables(names: Iterable[str]) -> tuple[str, ...]:
    """Return those names that look like settings and are none, sorted."""
    known = {*list_variables(), *CLI_VARIABLES}
    return tuple(
        sorted(
            name
            for name in names
            if name.startswith(PREFIX)
            and name not in known
            and not name.startswith(CLUSTER_PREFIXES)
        )
    )


def list_variables() -> tuple[str, ...]:
    """Return the name of each setting's variable, in the order of the settings."""
    return tuple(_get_variable_name((name,)) for name in Settings.model_fields)


def _get_variable_name(location: tuple[int | str, ...]) -> str:
    return PREFIX + str(location[0]).upper()
