"""Add the models to the SBOM of the packages.

    python deploy/model_components.py build/phiz.cdx.json

The packages that serve hold no weights: a build makes them from other packages. Each network of the
catalogue becomes a component with its hash, its licence and the package that it is made from.
"""

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeAlias

from phiz.models.catalog import load_catalog
from phiz.models.specs import ModelSpec, NetworkSpec

Component: TypeAlias = dict[str, Any]


def list_components() -> Iterator[Component]:
    """Yield a component for each file of the models that a service can have."""
    seen: set[str] = set()
    for group in ("face", "classify"):
        for model in load_catalog().get_models(group):
            for spec in model.networks:
                for network in (spec, *spec.variants):
                    if network.file_name not in seen:
                        seen.add(network.file_name)
                        yield describe_network(model, network)


def describe_network(model: ModelSpec, network: NetworkSpec) -> Component:
    """Return the component of an ONNX file."""
    source = network.made_from.source
    return {
        "type": "machine-learning-model",
        "bom-ref": f"model:{network.file_name}",
        "name": network.file_name,
        "version": network.sha256[:12],
        "description": f"Network of the model {model.name}, made by phiz models build",
        "scope": "optional",
        "hashes": [{"alg": "SHA-256", "content": network.sha256}],
        "licenses": [{"license": {"id": model.licence}}],
        "pedigree": {
            "ancestors": [
                {
                    "type": "file",
                    "bom-ref": f"source:{network.file_name}",
                    "name": network.made_from.path,
                    "version": source.version,
                    "purl": f"pkg:pypi/{source.name}@{source.version}",
                    "hashes": [{"alg": "SHA-256", "content": network.made_from.sha256}],
                }
            ]
        },
    }


def main() -> None:
    """Rewrite the file."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("sbom", type=Path, help="a CycloneDX document, as JSON")
    path: Path = parser.parse_args().sbom
    document = json.loads(path.read_text("utf-8"))
    document["components"] += list_components()
    path.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", "utf-8")


if __name__ == "__main__":
    main()
