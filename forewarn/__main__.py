"""``python -m forewarn``: how the supervisor starts its children, whatever is on the PATH."""

from forewarn.cli import main

if __name__ == "__main__":
    main()
