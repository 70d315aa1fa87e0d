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
    parallel      : cells that are joined in parallel to what counts as one
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
    parallel: int = 1

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


# fmt: off
MODELS = (
    CarModel(
        "Forewarn E5", "A", "bev", 0.25, mass_kg=1750, drag_m2=0.62,
        chemistry="NMC", cells=96, capacity_ah=150.0, cell_mohm=0.55, probes=24, parallel=3,
        motor_k_per_kw=1.5, inverter_k_per_kw=1.6, kwh_per_100km=14.5,
        placard_kpa=250.0, lv_capacity_ah=45.0, pad_km=70000,
    ),
    CarModel(
        "Forewarn E7", "B", "bev", 0.13, mass_kg=2250, drag_m2=0.72,
        chemistry="NMC", cells=108, capacity_ah=200.0, cell_mohm=0.45, probes=32, parallel=4,
        motor_k_per_kw=1.1, inverter_k_per_kw=1.2, kwh_per_100km=17.0,
        placard_kpa=260.0, lv_capacity_ah=60.0, pad_km=62000,
    ),
    CarModel(
        "Forewarn E2", "G", "bev", 0.11, mass_kg=1350, drag_m2=0.60,
        chemistry="NMC", cells=87, capacity_ah=120.0, cell_mohm=0.60, probes=19, parallel=2,
        motor_k_per_kw=2.0, inverter_k_per_kw=2.1, kwh_per_100km=12.5,
        placard_kpa=240.0, lv_capacity_ah=45.0, pad_km=75000,
    ),
    CarModel(
        "Forewarn E3", "C", "bev", 0.12, mass_kg=1550, drag_m2=0.60,
        chemistry="LFP", cells=104, capacity_ah=135.0, cell_mohm=0.50, probes=16, parallel=1,
        motor_k_per_kw=1.8, inverter_k_per_kw=1.9, kwh_per_100km=12.5,
        placard_kpa=240.0, lv_capacity_ah=45.0, pad_km=72000,
    ),
    CarModel(
        "Forewarn E9", "H", "bev", 0.06, mass_kg=2100, drag_m2=0.70,
        chemistry="LFP", cells=120, capacity_ah=190.0, cell_mohm=0.45, probes=24, parallel=1,
        motor_k_per_kw=1.2, inverter_k_per_kw=1.3, kwh_per_100km=16.0,
        placard_kpa=260.0, lv_capacity_ah=60.0, pad_km=62000,
    ),
    CarModel(
        "Forewarn P5", "D", "phev", 0.11, mass_kg=1900, drag_m2=0.68,
        chemistry="NMC", cells=96, capacity_ah=52.0, cell_mohm=0.90, probes=16, parallel=1,
        motor_k_per_kw=1.6, inverter_k_per_kw=1.8, kwh_per_100km=17.0,
        placard_kpa=250.0, lv_capacity_ah=60.0, pad_km=52000,
    ),
    CarModel("Forewarn C4", "E", "ice", 0.13, 1350, 0.63, placard_kpa=230.0, lv_capacity_ah=60.0, pad_km=42e3),
    CarModel("Forewarn C6", "F", "ice", 0.09, 1650, 0.70, placard_kpa=240.0, lv_capacity_ah=70.0, pad_km=38e3),
)

# fmt: on

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
