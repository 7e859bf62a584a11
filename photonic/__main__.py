"""`python -m photonic` is `photonic`."""

from photonic.cli.app import main

main()
