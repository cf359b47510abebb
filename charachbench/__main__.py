"""`python -m charachbench`."""

from charachbench.app import main

main()
