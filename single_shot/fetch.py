"""Fetch data sets: Pascal VOC, BCCD, and those of older tutorials.

    single-shot fetch banana

The lessons need none of them. Each file is looked for where an earlier run left it, then in the
folder of --from, where an unpacked copy of BCCD does as well, then on the network; its checksums
must agree. A download that was stopped goes on when the same command runs again.
"""

import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path

from data import DATA_ROOT
from single_shot.answer import Answer
from single_shot.downloads.archives import ArchiveError
from single_shot.downloads.install import install
from single_shot.downloads.sources import DATA_SETS
from single_shot.downloads.transfer import DownloadError


def add_arguments(parser: ArgumentParser) -> None:
    """Add the options of this part to a parser."""
    add = parser.add_argument
    listing = "; ".join(f"{name}: {each.title}" for name, each in DATA_SETS.items())
    add("names", nargs="+", choices=DATA_SETS, metavar="NAME", help=listing)
    local_help = "where the files may be already"
    add("--from", dest="local", type=Path, metavar="FOLDER", help=local_help)
    add("--out", type=Path, default=DATA_ROOT, metavar="DIR", help="folder for the data sets")


def run(options: Namespace) -> Answer:
    """Put each data set into its folder; return the Answer, which failed if one did."""
    lines, folders, status = [], {}, 0
    for name in options.names:
        data_set, folder = DATA_SETS[name], options.out / name
        try:
            install(data_set, folder, options.local)
        except (DownloadError, ArchiveError, OSError) as error:
            print(f"{name}: {error}", file=sys.stderr)
            status = 1
        else:
            folders[name] = str(folder)
            lines.append(f"{name} is in {folder}. Next:\n  {data_set.next_command(folder)}")
    return Answer("\n".join(lines), folders, status)


def after_stop(options: Namespace) -> str:
    """Return what Ctrl-C left."""
    return "the same command goes on from there"
