"""Tests mirror the package: every module has a test file of its name, in the same room."""

from pathlib import Path

SERVICE = Path(__file__).parents[1] / "service" / "phiz"
TESTS = Path(__file__).parent

# Modules without a file of their own: the file that tests them instead, and how it does.
TESTED_ELSEWHERE = {
    "__main__": ("cli/test_detect.py", "runs python -m phiz"),
    "api/app": ("api/test_routes_ops.py", "sends requests to the application that it builds"),
    "api/content/size_limit": ("api/test_routes_detect.py", "sends bodies that are too large"),
    "api/content/form": ("api/test_routes_detect.py", "sends forms of every kind, good and bad"),
    "api/content/upload": ("api/test_routes_detect.py", "sends an image under each name"),
    "api/early_refusal": ("service/test_early_refusals.py", "fills the queue of a service"),
    "api/encoded_response": ("service/test_answers.py", "compares real answers"),
    "api/pictures/response": ("api/pictures/test_routes.py", "reads answers, and leaves them"),
    "api/server/connection": ("service/test_connections.py", "sends heads and bodies"),
    "api/server/disconnect": ("api/test_deadline.py", "leaves while images wait"),
    "api/server/lingering": ("service/test_connections.py", "answers while bodies arrive"),
    "api/server/readers": ("service/test_connections.py", "does not read, and reads slowly"),
    "api/server/request_head": ("service/test_connections.py", "sends malformed heads"),
    "api/server/stream_connection": (
        "service/test_streams.py",
        "sends too much, reads little",
    ),
    "api/stream/route": ("service/test_streams.py", "opens streams well and badly"),
    "api/stream/session": ("service/test_streams.py", "sends frames, texts and garbage"),
    "cli/build": ("cli/test_models.py", "builds from real sources, and without them"),
    "cli/build_run": ("cli/test_models.py", "builds from real sources, and shows how far it is"),
    "cli/classify_run": ("cli/test_classify.py", "runs the command"),
    "cli/detect_run": ("cli/test_detect.py", "runs the command"),
    "cli/edits/options": ("cli/edits/test_blur.py", "runs the command"),
    "cli/edits/outputs": ("cli/edits/test_blur.py", "names files and folders, finds outputs"),
    "cli/edits/run": ("cli/edits/test_blur.py", "runs the command"),
    "cli/formats": ("cli/test_detect.py", "reads JSON, CSV and tables"),
    "cli/group": ("cli/test_main.py", "reads its help, and loads each command"),
    "cli/inventory": ("cli/test_models.py", "lists and verifies good and bad files"),
    "cli/run": ("cli/test_detect.py", "runs the command on good and bad files"),
    "cli/serve": ("service/test_starting.py", "starts services well and badly"),
    "cli/serve_run": ("service/test_starting.py", "starts services well and badly"),
    "cli/tables": ("cli/test_models.py", "reads a table"),
    "cli/traces": ("service/test_traces.py", "receives the traces of a service"),
    "cli/watch/command": ("cli/watch/test_run.py", "runs the command"),
    "cli/watch/lines": ("cli/watch/test_run.py", "reads the lines"),
    "cli/watch/watcher": ("cli/watch/test_run.py", "compares the frames of videos"),
    "convert/anchor_free": ("convert/test_conversion.py", "converts the real networks"),
    "convert/architectures": ("convert/test_classifiers.py", "converts the real networks"),
    "convert/blazeface": ("convert/test_conversion.py", "converts the real networks"),
    "convert/inverted_residual": ("convert/test_classifiers.py", "converts the real networks"),
    "convert/mtcnn": ("convert/test_conversion.py", "converts the real networks"),
    "convert/onnx_file": ("convert/test_conversion.py", "reads the real files"),
    "convert/tflite_file": ("convert/test_conversion.py", "reads the real files, and broken ones"),
    "detectors/detector": ("detectors/test_goldens.py", "runs everything that has its protocol"),
    "detectors/factory": ("detectors/test_goldens.py", "loads every detector by it"),
    "errors": ("api/test_errors.py", "answers each of them over HTTP"),
    "image/limits": ("image/test_decode.py", "decodes images at each limit and beyond"),
    "image/pillow": ("image/test_decode.py", "decodes every format but JPEG by it"),
    "image/properties": ("image/test_varieties.py", "describes every file of the corpus"),
    "lab/accuracy/predictions": ("lab/accuracy/test_figures.py", "summarises them"),
    "lab/accuracy/summary": ("lab/accuracy/test_figures.py", "compares its figures"),
    "lab/commands/bench_run": ("lab/commands/test_bench.py", "runs the command"),
    "lab/commands/evaluate_run": ("lab/commands/test_evaluate.py", "runs the command"),
    "lab/commands/missing_models": ("lab/commands/test_study.py", "reads what it says"),
    "lab/commands/study_run": ("lab/commands/test_study.py", "runs the command"),
    "lab/report/bench_tables": ("lab/commands/test_bench.py", "reads the tables of the command"),
    "lab/report/evaluation_pictures": ("lab/commands/test_evaluate.py", "reads what is drawn"),
    "lab/report/evaluation_tables": ("lab/commands/test_evaluate.py", "compares with the JSON"),
    "models/specs": ("models/test_catalog.py", "reads the specs of the catalogue"),
    "models/tables": ("models/test_catalog.py", "reads documents with each kind of mistake"),
    "wire/edits": ("cli/edits/test_blur.py", "writes them to folders, and by a job of Ray"),
    "wire/examples": ("service/test_answers.py", "compares them with real answers"),
    "wire/messages": ("test_worker.py", "sends them to a worker"),
    "wire/models": ("api/test_routes_ops.py", "reads the models that it describes"),
    "workers/handle": ("workers/test_pool.py", "runs real processes by it"),
    "workers/reader": ("workers/test_loop.py", "reads requests by it"),
    "workers/supervisor": ("workers/test_pool.py", "has workers die, hang and fail to start"),
    "workers/vitals": ("workers/test_pool.py", "has workers stop, hang and work for too long"),
}


def name_test_file(module: str) -> Path:
    room, _, name = module.rpartition("/")
    return TESTS / room / f"test_{name}.py"


def list_modules() -> list[str]:
    paths = (path.relative_to(SERVICE) for path in sorted(SERVICE.rglob("*.py")))
    return [path.with_suffix("").as_posix() for path in paths if path.name != "__init__.py"]


def test_every_module_has_a_test_of_its_name_or_is_tested_elsewhere() -> None:
    modules = list_modules()
    assert {"engine", "image/decode", "lab/study/plan"} <= set(modules)
    untested = [name for name in modules if not name_test_file(name).is_file()]
    assert untested == sorted(TESTED_ELSEWHERE)


def test_files_that_test_other_modules_exist() -> None:
    files = {file for file, _ in TESTED_ELSEWHERE.values()}
    assert [file for file in sorted(files) if "def test_" not in (TESTS / file).read_text()] == []
