"""The debug service's generated code is what its .proto makes."""

from pathlib import Path

from protos.generate import TARGET, generate
from xds.messages import debug_pb2


def test_generated_code_is_fresh(tmp_path: Path) -> None:
    """What is in the repository is byte for byte what `make protos` writes."""
    made = generate(tmp_path)
    assert {path.name for path in made} == {path.name for path in TARGET.glob("*_pb2.py*")}
    stale = [path.name for path in made if path.read_bytes() != (TARGET / path.name).read_bytes()]
    assert stale == [], "run `make protos`"


def test_every_method_has_a_comment() -> None:
    """A reader of the .proto learns what each method does."""
    lines = Path("protos/kubelb/xds/debug/v1/debug.proto").read_text().splitlines()
    for service in debug_pb2.DESCRIPTOR.services_by_name.values():
        for method in service.methods:
            (place,) = (index for index, line in enumerate(lines) if line.startswith(f"  rpc {method.name}("))
            assert lines[place - 1].strip().startswith("//"), method.full_name
