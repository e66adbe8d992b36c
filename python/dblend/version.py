"""The version of this package: that of the programs it belongs to."""

VERSION = "0.1.0"
