"""The service's environment: what every service needs, and nothing more."""

from recoup_chassis.config import ServiceConfig


class Config(ServiceConfig):
    """Read once, frozen."""
