"""``python -m phiz``: the same as the command ``phiz``."""

from phiz.cli.main import main

if __name__ == "__main__":
    main(prog_name="phiz")
