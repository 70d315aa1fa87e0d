"""The models a simulated fleet is made of, and VINs for them."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from config.signals import Powertrain


@dataclass(frozen=True)
class CarModel:
    """What all cars of one model share. Values of the pack are 0 where there is no pack.

    cell_mohm     : resistance of a cell at 25 C
    probes        : temperature probes in the pack
    motor_k_per_kw, inverter_k_per_kw : how much warmer a kW through them makes motor and inverter in the long run
    pad_km        : distance a set of front pads lasts with a driver of average style
    """

    name: str
    vin_code: str
    powertrain: Powertrain
    share: float
    mass_kg: float
    drag_m2: float
    chemistry: Literal["NMC", "LFP"] | None = None
    cells: int = 0
    capacity_ah: float = 0.0
    cell_mohm: float = 0.0
    probes: int = 0
    motor_k_per_kw: float = 1.5
    inverter_k_per_kw: float = 1.6
    kwh_per_100km: float = 0.0
    placard_kpa: float = 240.0
    lv_capacity_ah: float = 60.0
    pad_km: float = 45000.0

    @property
    def has_pack(self) -> bool:
        return self.cells > 0

    @property
    def has_engine(self) -> bool:
        return self.powertrain != "bev"

    @property
    def nominal_v(self) -> float:
        return self.cells * (3.2 if self.chemistry == "LFP" else 3.65)

    @property
    def pack_kwh(self) -> float:
        return self.nominal_v * self.capacity_ah / 1000


MODELS = (
    CarModel(
        "Forewarn E5", "A", "bev", 0.25, 1750, 0.62, "NMC", 96, 150.0, 0.55, 24, 1.5, 1.6, 14.5, 250.0, 45.0, 70e3
    ),
    CarModel(
        "Forewarn E7", "B", "bev", 0.13, 2250, 0.72, "NMC", 108, 200.0, 0.45, 32, 1.1, 1.2, 17.0, 260.0, 60.0, 62e3
    ),
    CarModel(
        "Forewarn E2", "G", "bev", 0.11, 1350, 0.60, "NMC", 87, 120.0, 0.60, 19, 2.0, 2.1, 12.5, 240.0, 45.0, 75e3
    ),
    CarModel(
        "Forewarn E3", "C", "bev", 0.12, 1550, 0.60, "LFP", 104, 135.0, 0.50, 16, 1.8, 1.9, 12.5, 240.0, 45.0, 72e3
    ),
    CarModel(
        "Forewarn E9", "H", "bev", 0.06, 2100, 0.70, "LFP", 120, 190.0, 0.45, 24, 1.2, 1.3, 16.0, 260.0, 60.0, 62e3
    ),
    CarModel(
        "Forewarn P5", "D", "phev", 0.11, 1900, 0.68, "NMC", 96, 52.0, 0.90, 16, 1.6, 1.8, 17.0, 250.0, 60.0, 52e3
    ),
    CarModel("Forewarn C4", "E", "ice", 0.13, 1350, 0.63, placard_kpa=230.0, lv_capacity_ah=60.0, pad_km=42e3),
    CarModel("Forewarn C6", "F", "ice", 0.09, 1650, 0.70, placard_kpa=240.0, lv_capacity_ah=70.0, pad_km=38e3),
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
