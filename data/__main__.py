"""`python -m data` builds the embedded data sets."""

import sys

from data.embedded import main

if __name__ == "__main__":
    sys.exit(main())
