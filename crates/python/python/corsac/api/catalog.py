"""The catalog; the same as :mod:`corsac.catalog`."""

from corsac.catalog import Catalog as Catalog
from corsac.catalog import DatasetMetadata as DatasetMetadata
