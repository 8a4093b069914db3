"""Download a package's source archive through pip as it is configured, and run nothing of it.

    python -m tutor.base.sdist 'name==1.0' --dest FOLDER

`pip download` asks a source archive's own setup.py for its metadata. This takes pip's settings,
index, certificates and credentials, and leaves that step out. A process of its own: pip is no
library, and where its inside changes, one source of an asset fails and the next is tried.
"""

from __future__ import annotations

import sys
from optparse import Values
from pathlib import Path

from pip._internal.commands.download import DownloadCommand
from pip._internal.exceptions import DistributionNotFound, NetworkConnectionError
from pip._vendor.packaging.requirements import Requirement
from pip._vendor.requests.exceptions import HTTPError

LIMIT = 64 << 20
"""No source archive that we mean is longer."""


class FileCommand(DownloadCommand):
    """`pip download`, up to the file."""

    def run(self, options: Values, args: list[str]) -> int:
        session = self.get_default_session(options)
        finder = self._build_package_finder(options, session)
        wanted = Requirement(args[0])
        best = finder.find_best_candidate(wanted.name, wanted.specifier).best_candidate
        if best is None:
            raise DistributionNotFound(f"no source archive of {wanted}")
        target = Path(options.download_dir) / Path(best.link.filename).name
        headers = {"Accept-Encoding": "identity"}
        with session.get(best.link.url_without_fragment, headers=headers, stream=True) as answer:
            try:
                answer.raise_for_status()
            except HTTPError as error:
                raise NetworkConnectionError(str(error)) from error
            with target.open("wb") as out:
                for block in answer.iter_content(1 << 20):
                    out.write(block)
                    if out.tell() > LIMIT:
                        raise NetworkConnectionError(f"{target.name} is longer than {LIMIT} bytes")
        return 0


if __name__ == "__main__":
    options = ["--quiet", "--no-deps", "--no-binary", ":all:"]
    sys.exit(FileCommand("download", "").main([*options, *sys.argv[1:]]))
