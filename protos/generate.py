"""Makes Python of the project's own .proto files: `python -m protos.generate`, or `make protos`.

The generated code is kept in the repository, so that nobody needs a compiler to install the program; a test holds it against what
this would make.
"""

import shutil
import tempfile
from pathlib import Path
from typing import Final

import grpc_tools
from grpc_tools import protoc

_ROOT: Final = Path(__file__).parent
_PROTO: Final = "kubelb/xds/debug/v1/debug.proto"
_WELL_KNOWN: Final = Path(grpc_tools.__file__).parent / "_proto"
TARGET: Final = _ROOT.parent / "xds" / "messages"


def generate(target: Path) -> list[Path]:
    """Write the generated modules into a folder, and return their paths. Raises ``RuntimeError`` where protoc fails."""
    with tempfile.TemporaryDirectory() as made:
        includes = [f"-I{_ROOT}", f"-I{_WELL_KNOWN}"]
        if protoc.main(["protoc", *includes, f"--python_out={made}", f"--pyi_out={made}", _PROTO]) != 0:
            raise RuntimeError(f"protoc cannot compile {_PROTO}: it says why on stderr")
        # Python's path has nothing to do with the protobuf package.
        return [Path(shutil.copy(path, target / path.name)) for path in sorted(Path(made).rglob("*_pb2.py*"))]


if __name__ == "__main__":
    generate(TARGET)
