"""`python -m single_shot`, the same as the command `single-shot`."""

import sys

from single_shot.command import main

if __name__ == "__main__":
    sys.exit(main())
