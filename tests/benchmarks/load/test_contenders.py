from benchmarks.kit.environments import PEERS
from benchmarks.load.contenders import BENTOML, MOSEC, PEER_SERVERS, make_peers


def test_peer_runs_in_its_environment() -> None:
    mosec, bentoml = make_peers({MOSEC: "/peers/mosec/bin/python", BENTOML: "/b/bin/python"})
    assert list(mosec.command)[:2] == ["/peers/mosec/bin/python", PEERS / "in_mosec.py"]
    assert bentoml.environment["BENTOML_HOME"] == "/b/home"


def test_scripts_of_all_peers_exist() -> None:
    scripts = [part for peer in PEER_SERVERS.values() for part in peer.command if part != "{port}"]
    paths = [PEERS / part for part in map(str, scripts) if part.endswith(".py")]
    assert len(paths) == 4
    assert all(path.is_file() for path in paths)
