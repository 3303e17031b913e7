"""A typed description of the site in, the complete nginx.conf out.

`generate(description)` is a pure function: it reads nothing and writes nothing. `from_json` and
`from_environment` make the description; `python -m nginxgen` does both and writes the file.
"""

from nginxgen.config import generate
from nginxgen.description import Description, DescriptionError
from nginxgen.reading import from_environment, from_json

__all__ = ["Description", "DescriptionError", "from_environment", "from_json", "generate"]
