"""Trains in a process of its own: `python -m tests.learn.train_run FOLDER [HOST:PORT N K]`.

How many devices there are is told by JAX_NUM_CPU_DEVICES. Prints losses and dropped members.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import jax

import lagc
from lagc.learn.devices import Devices, connect
from lagc.learn.train import train
from lagc.learn.train_options import TrainOptions, TrainReport

MODEL = """
model spring
coordinate q
coefficient c in (0, 10) = 1 ~ uniform(0.5, 2)
coefficient b in [0, 10) = 1 ~ uniform(0, 1)
L = 1/2*q'^2 - 1/2*c*q^2
K = -b*q'_+*q_-
initial q = 1, q' = 0
"""
OPTIONS = TrainOptions(
    systems=96,
    batch=32,
    steps=6,
    step=0.2,
    r=1,
    held_out=16,
    width=8,
    precision="float64",
    features="trajectory",
)


def trained(folder: Path) -> tuple[TrainReport, lagc.System]:
    """One training run, and its model."""
    system = lagc.loads(MODEL)
    return train(system, OPTIONS, output=folder), system


def main() -> None:
    """A run that takes its place among others."""
    jax.config.update("jax_enable_x64", True)
    folder, *place = sys.argv[1:]
    if place:
        connect(place[0], int(place[1]), int(place[2]))
    report, _ = trained(Path(folder))
    devices = Devices.all()
    print(json.dumps({"devices": devices.count, "leads": devices.leads, "loss": report.loss}))


if __name__ == "__main__":
    main()
