"""A simulator of the Reltio Export Service that writes real files to S3."""

from .app import ReltioSimulator
from .config import Client, SimulatorConfig, Tenant

__all__ = ["Client", "ReltioSimulator", "SimulatorConfig", "Tenant"]
