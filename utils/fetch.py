"""Fetch the data sets of older tutorials: `python -m utils.fetch --help`.

The lessons need none of them. Each file is looked for where an earlier run left it, then in the
folder of --from, then on the network; its checksums must agree. A download that was stopped goes on
when the same command runs again.
"""

import sys
from pathlib import Path

from utils.command_line import Parser
from utils.downloads.archives import ArchiveError
from utils.downloads.install import install
from utils.downloads.sources import DATA_SETS
from utils.downloads.transfer import DownloadError
from utils.make_data import DATA_ROOT


def parse_arguments(arguments=None):
    """Return the options of the command line."""
    listing = "\n".join(f"  {name:18}{each.title}" for name, each in DATA_SETS.items())
    description, epilog = __doc__.partition("\n\n")[2], f"data sets:\n{listing}"
    parser = Parser(prog="python -m utils.fetch", description=description, epilog=epilog)
    add = parser.add_argument
    add("names", nargs="+", choices=DATA_SETS, metavar="NAME", help="see below")
    local_help = "where the files may be already"
    add("--from", dest="local", type=Path, metavar="FOLDER", help=local_help)
    add("--out", type=Path, default=DATA_ROOT, metavar="DIR", help="folder for the data sets")
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
