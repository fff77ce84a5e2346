"""`python -m data` builds the embedded data sets."""

from data.embedded import main

if __name__ == "__main__":
    main()
