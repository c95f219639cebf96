"""What a run came to; the same as in :mod:`corsac.result`."""

from corsac.result import LMMetrics as LMMetrics
from corsac.result import OperatorMetrics as OperatorMetrics
from corsac.result import QueryMetrics as QueryMetrics
from corsac.result import RMMetrics as RMMetrics
