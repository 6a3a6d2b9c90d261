"""The operator's configuration: one TOML file, environment variables over it, parsed once at start.

`types` is what the rest of the product sees, `values` says what each kind of value may be, `load`
reads file and environment into it, `page` writes `reference/settings.md` from it.
"""

from egressway.services.configuration.load import (
    ConfigurationError,
    load_configuration,
)
from egressway.services.configuration.types import Configuration, default_data_directory

__all__ = [
    "Configuration",
    "ConfigurationError",
    "default_data_directory",
    "load_configuration",
]
