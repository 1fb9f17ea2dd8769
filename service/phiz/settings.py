"""The settings of a deployment, from environment variables with the prefix ``PHIZ_``.

An entry point loads the settings once and passes each part the values that it needs.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Final, Literal, TypeAlias, get_args

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from phiz.errors import SettingError

PREFIX = "PHIZ_"
CLI_VARIABLES = ("PHIZ_HOST", "PHIZ_PORT", "PHIZ_MODEL_FILES")
# Kubernetes sets these in every container next to a Service with the name phiz.
CLUSTER_PREFIXES = ("PHIZ_SERVICE_", "PHIZ_PORT_")

InterfaceName: TypeAlias = Literal["deepstack", "compreface", "kserve"]
"""The interface of another server."""
INTERFACES: Final[tuple[InterfaceName, ...]] = get_args(InterfaceName)
NO_INTERFACES: Final = "none"


class Settings(BaseSettings):
    """The settings with their defaults. An empty variable counts as not set."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_ignore_empty=True, extra="ignore", frozen=True
    )

    models: Path | None = Field(
        default=None, description="Folder of the built models. Default: where they are built."
    )
    sampling: Literal["reference", "half-pixel", "area"] = Field(
        default="half-pixel",
        description="How images are resized; 'reference' is for comparison with the originals.",
    )
    runtime: Literal["onnxruntime", "openvino", "auto"] = Field(
        default="onnxruntime",
        description="Runtime of the networks; 'auto' follows the profile.",
    )
    providers: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(),
        description="Execution providers of onnxruntime, preferred first, separated by commas.",
    )
    profile: Path | None = Field(
        default=None,
        description="Choice that phiz study wrote. Default: profile.json beside the models.",
    )
    max_bytes: int = Field(
        default=20 * 1024 * 1024, ge=1, description="Maximum bytes of an image, as sent."
    )
    max_pixels: int | None = Field(
        default=None,
        ge=1,
        description="Maximum pixels of an image, as decoded, width times height. Default: 50"
        " million, if memory allows.",
    )
    workers: int | None = Field(
        default=None,
        ge=1,
        le=1024,
        description="Number of worker processes, and so of images at once. Default: one per usable"
        " processor, if memory allows.",
    )
    queue: int | None = Field(
        default=None,
        ge=1,
        le=100_000,
        description="Maximum number of queued detections. Default: as many as can be answered in"
        " time.",
    )
    deadline: float = Field(
        default=10,
        gt=0,
        le=3600,
        allow_inf_nan=False,
        description="Maximum seconds from the last byte of the body to the answer.",
    )
    hang: float = Field(
        default=2,
        ge=0.5,
        le=3600,
        allow_inf_nan=False,
        description="Seconds without a sign of life after which a worker is replaced.",
    )
    max_pictures: int = Field(
        default=16, ge=1, le=1000, description="Maximum images per request to /detect/batch."
    )
    body_timeout: int = Field(
        default=30,
        ge=1,
        le=3600,
        description="Maximum seconds for the body of a request to arrive.",
    )
    url_hosts: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(),
        description="Hosts of the option url, separated by commas: 'public' for all public ones,"
        " names, *.names, addresses. Default: none.",
    )
    streams: int = Field(
        default=16, ge=0, le=1000, description="Maximum number of open streams; 0 for none."
    )
    compat: Annotated[tuple[InterfaceName, ...], NoDecode] = Field(
        default=INTERFACES,
        description="Interfaces of other servers, separated by commas, or 'none'. Default: all.",
    )
    api_keys: SecretStr | None = Field(
        default=None,
        description="API keys that requests need: the path of their file, or its entries separated"
        " by semicolons.",
    )
    rate: str | None = Field(
        default=None,
        description="Rate of each key without one of its own, or of each source address without"
        " keys, such as '20/s burst=40'. Default: no limit.",
    )
    cors_origins: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(),
        description="Origins whose web pages may read the answers, separated by commas, such as"
        " https://app.example.org; '*' for all. Default: none.",
    )
    metrics_port: int | None = Field(
        default=None, ge=0, le=65535, description="Port of /metrics alone. Default: the API's port."
    )
    log: Literal["text", "json"] = Field(
        default="text", description="Format of the log on standard error."
    )
    log_requests: Literal["none", "failed", "all"] | None = Field(
        default=None,
        description="Requests that are logged. Default: all with PHIZ_LOG=json, else none.",
    )
    drain: int = Field(
        default=30,
        ge=0,
        le=3600,
        description="Maximum seconds for requests in progress when the service stops.",
    )

    @field_validator("providers", "url_hosts", "compat", "cors_origins", mode="before")
    @classmethod
    def _split_list(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        return tuple(name.strip() for name in value.split(",") if name.strip())

    # Pydantic begins with the last one.
    @field_validator("compat", mode="before")
    @classmethod
    def _read_none(cls, value: object) -> object:
        return () if value == NO_INTERFACES else value


def load_settings() -> Settings:
    """Return the settings of this process's environment.

    Raises:
        SettingError: A value has the wrong type or is out of range.
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
    """Return the names that have the prefix of a setting but are not one, sorted."""
    ours = {name for name in names if name.startswith(PREFIX)}
    known = {*list_variables(), *CLI_VARIABLES}
    return tuple(sorted(name for name in ours - known if not name.startswith(CLUSTER_PREFIXES)))


def list_variables() -> tuple[str, ...]:
    """Return the environment variable of each setting, in their order."""
    return tuple(_get_variable_name((name,)) for name in Settings.model_fields)


def _get_variable_name(location: tuple[int | str, ...]) -> str:
    return PREFIX + str(location[0]).upper()
