"""The configuration as the command line composes it."""

from charachbench import config


def settings(*overrides: str) -> config.Config:
    """Of a job with these overrides."""
    from hydra import compose, initialize_config_module

    config.register()
    with initialize_config_module("conf", version_base="1.3"):
        return config.resolve(compose("config", [*overrides, "method_name=null"]))
