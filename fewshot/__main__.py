"""`python -m fewshot` is `fewshot`."""

from fewshot.cli.app import main

main()
