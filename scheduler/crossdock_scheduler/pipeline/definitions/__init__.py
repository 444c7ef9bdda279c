"""Definitions of Data Factory and Synapse: a Git folder, an ARM template or one file, read as they are."""

from .findings import Finding, Place, distinct, of_remark
from .model import KINDS, Definition, Factory
from .reading import load

__all__ = ["KINDS", "Definition", "Factory", "Finding", "Place", "distinct", "load", "of_remark"]
