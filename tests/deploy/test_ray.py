import warnings
from typing import Any

import pytest
import yaml

from phiz.settings import list_variables
from tests.deploy.metrics import ROOT

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # Ray has some when it is loaded
    from ray.serve.config import AutoscalingConfig
    from ray.serve.schema import ServeDeploySchema

    from phiz.ray import serve

FILE = ROOT / "deploy" / "ray" / "serve.yaml"


@pytest.fixture
def configuration() -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load(FILE.read_text("utf-8"))
    return content


def deployment_of(configuration: dict[str, Any]) -> dict[str, Any]:
    (application,) = configuration["applications"]
    (deployment,) = application["deployments"]
    found: dict[str, Any] = deployment
    return found


def test_ray_takes_it(configuration: dict[str, Any]) -> None:
    ServeDeploySchema.model_validate(configuration)
    AutoscalingConfig.model_validate(deployment_of(configuration)["autoscaling_config"])


def test_wrong_fields_of_the_ray_service_are_noticed(configuration: dict[str, Any]) -> None:
    deployment_of(configuration)["max_ongoing_requests"] = 0
    with pytest.raises(ValueError, match="max_ongoing_requests"):
        ServeDeploySchema.model_validate(configuration)
    with pytest.raises(ValueError, match="max_replicas"):
        AutoscalingConfig.model_validate({"min_replicas": 2, "max_replicas": 1})


def test_ray_service_names_a_deployment_that_exists(configuration: dict[str, Any]) -> None:
    (application,) = configuration["applications"]
    deployment = deployment_of(configuration)
    module, _, name = application["import_path"].partition(":")
    assert module == serve.__name__
    assert getattr(serve, name) is serve.app
    assert deployment["name"] == serve.deployment.name
    variables = deployment["ray_actor_options"]["runtime_env"]["env_vars"]
    assert set(variables) <= set(list_variables())


def test_ray_service_scales_as_the_code_does_but_for_how_many(
    configuration: dict[str, Any],
) -> None:
    """Ray takes one of the two as a whole, and never fills one up from the other."""
    scaling = deployment_of(configuration)["autoscaling_config"]
    assert scaling == {**serve.AUTOSCALING, "max_replicas": scaling["max_replicas"]}
