from pathlib import Path

from omegaconf import OmegaConf

from charachbench import config
from charachbench.protocols import Metric

DEMO = Path(__file__).parents[2] / "conf" / "metrics" / "demo.yaml"


def test_every_metric_of_the_demo_can_be_made() -> None:
    nodes = OmegaConf.to_object(OmegaConf.load(DEMO))
    assert isinstance(nodes, dict)
    metrics: dict[str, Metric] = {
        str(name): config.build(node, f"metrics.{name!s}", Metric) for name, node in nodes.items()
    }
    assert list(metrics) == ["nme", "nme_auc", "nme_failure_rate", "motion_error", "psnr", "ssim", "flicker"]
    assert {name for name, metric in metrics.items() if metric.direction == "up"} == {"nme_auc", "psnr", "ssim"}
    assert len({metric.tracker for metric in metrics.values() if hasattr(metric, "tracker")}) == 1
