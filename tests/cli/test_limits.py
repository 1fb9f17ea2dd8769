import json

from click.testing import CliRunner

from phiz.cli.main import main
from phiz.models import catalog, router_config


def run(*arguments: str) -> str:
    result = CliRunner().invoke(main, ["models", "limits", *arguments], env={"COLUMNS": "200"})
    assert result.exit_code == 0
    return result.stdout


def test_json_has_every_limit_with_what_it_means() -> None:
    rows = {row["name"]: row for row in json.loads(run("--json"))}
    specs = {spec.name: spec for spec in catalog.load_catalog().get_models("face")}
    assert list(rows) == [*specs, "auto"]
    assert rows["front"]["min_score"] == specs["front"].min_score
    assert rows["auto"]["min_score"] == router_config.load_router_config().min_score
    assert (
        rows["auto"]["operating_point"]["alarms"]
        == router_config.load_router_config().operating_point.alarms
    )


def test_the_table_gives_shares_in_percent() -> None:
    lines = run().splitlines()
    assert lines[0].split() == [
        *("model", "limit", "precision", "easy", "medium", "hard", "portraits", "alarms")
    ]
    point = router_config.load_router_config().operating_point
    auto = next(line for line in lines if line.startswith("auto"))
    assert f" {100 * point.precision:.1f} % " in auto
    assert auto.endswith(f"{100 * point.alarms:.1f} %")
    assert lines[-1] == f"measured on {point.measured_on}"
