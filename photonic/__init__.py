"""photonic: a peer-to-peer replicated photo catalog."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("photonic")
except PackageNotFoundError:  # a source tree that was never installed
    __version__ = "0.0.0+source"
