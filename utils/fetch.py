"""Fetch the data sets of older tutorials: `python -m utils.fetch --help`.

The lessons need none of them. Each file is looked for where an earlier run left it, then in the
folder of --from, then on the network; its checksums must agree. A download that was stopped goes on
when the same command runs again.
"""

import argparse
import sys
from pathlib import Path

from utils.downloads.archives import ArchiveError
from utils.downloads.install import install
from utils.downloads.sources import DATA_SETS
from utils.downloads.transfer import DownloadError
from utils.make_data import DATA_ROOT


def parse_arguments(arguments=None):
    """Return the options of the command line."""
    listing = "\n".join(f"  {name:18}{each.title}" for name, each in DATA_SETS.items())
    parser = argparse.ArgumentParser(
        prog="python -m utils.fetch",
        description=__doc__.partition("\n\n")[2],
        epilog=f"data sets:\n{listing}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("names", nargs="+", choices=DATA_SETS, metavar="NAME")
    parser.add_argument(
        "--from", dest="local", type=Path, metavar="FOLDER", help="where the files may be already"
    )
    parser.add_argument(
        "--out", type=Path, default=DATA_ROOT, metavar="DIR", help="default: data, in the clone"
    )
    return parser.parse_args(arguments)


def main(arguments=None):
    """Put each data set into its folder and say what comes next; return the exit status."""
    options, status = parse_arguments(arguments), 0
    for name in options.names:
        data_set, folder = DATA_SETS[name], options.out / name
        try:
            install(data_set, folder, options.local)
        except (DownloadError, ArchiveError, OSError) as error:
            print(f"{name}: {error}", file=sys.stderr)
            status = 1
        except KeyboardInterrupt:
            print(f"\n{name}: stopped; the same command goes on from there", file=sys.stderr)
            return 130
        else:
            print(f"{name} is in {folder}. Next:\n  {data_set.next_command(folder)}")
    return status


if __name__ == "__main__":
    sys.exit(main())
