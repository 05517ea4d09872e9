"""A simulator of the Reltio Export Service that writes real files to S3."""

from .app import ReltioSimulator
from .behaviour import Behaviour
from .config import Client, SimulatorConfig, Tenant
from .faults import Fault

__all__ = ["Behaviour", "Client", "Fault", "ReltioSimulator", "SimulatorConfig", "Tenant"]
