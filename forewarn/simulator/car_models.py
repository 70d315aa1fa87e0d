"""The models a simulated fleet is made of, and VINs for them."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from config.signals import Powertrain


@dataclass(frozen=True)
class CarModel:
    """What all cars of one model share. Pack values are 0 where there is no pack."""

    name: str
    powertrain: Powertrain
    share: float
    chemistry: Literal["NMC", "LFP"] | None = None
    cells: int = 0
    capacity_ah: float = 0.0
    cell_mohm: float = 0.0
    kwh_per_100km: float = 0.0
    placard_kpa: float = 240.0
    lv_capacity_ah: float = 60.0
    vin_code: str = "A"

    @property
    def has_pack(self) -> bool:
        return self.cells > 0

    @property
    def has_engine(self) -> bool:
        return self.powertrain != "bev"


MODELS = (
    CarModel("Forewarn E5", "bev", 0.34, "NMC", 96, 150.0, 0.9, 14.5, 250.0, 45.0, "A"),
    CarModel("Forewarn E7", "bev", 0.16, "NMC", 108, 200.0, 0.7, 17.0, 260.0, 60.0, "B"),
    CarModel("Forewarn E3", "bev", 0.14, "LFP", 104, 135.0, 0.8, 12.5, 240.0, 45.0, "C"),
    CarModel("Forewarn P5", "phev", 0.12, "NMC", 96, 52.0, 1.6, 17.0, 250.0, 60.0, "D"),
    CarModel("Forewarn C4", "ice", 0.14, placard_kpa=230.0, lv_capacity_ah=60.0, vin_code="E"),
    CarModel("Forewarn C6", "ice", 0.10, placard_kpa=240.0, lv_capacity_ah=70.0, vin_code="F"),
)

# ISO 3779: what letters count for in the check digit, and the weight of each of the 17 places.
_VALUES = dict(zip("ABCDEFGHJKLMNPRSTUVWXYZ", (*range(1, 9), *range(1, 6), 7, 9, *range(2, 10)), strict=True))
_WEIGHTS = (8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2)


def draw_model(rng: np.random.Generator) -> CarModel:
    shares = np.array([model.share for model in MODELS])
    return MODELS[rng.choice(len(MODELS), p=shares / shares.sum())]


def vin(model: CarModel, *, number: int, seed: int) -> str:
    """Return a well-formed VIN with a right check digit; fleets of different seeds do not share any (up to 1,000)."""
    letters = f"LFW{model.vin_code}{seed % 1000:03d}X0T1{number % 10**6:06d}"
    total = sum(_VALUES.get(c, 0) * w if c.isalpha() else int(c) * w for c, w in zip(letters, _WEIGHTS, strict=True))
    check = "X" if total % 11 == 10 else str(total % 11)
    return letters[:8] + check + letters[9:]
