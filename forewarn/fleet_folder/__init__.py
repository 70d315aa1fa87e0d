"""Any fleet in the layout of docs/fleet-files.md, made by whoever, as the models see it."""

from forewarn.fleet_folder.frames import Found, each_cars, sum_up
from forewarn.fleet_folder.layout import BadFleet, FleetFolder, open_folder

__all__ = ["BadFleet", "FleetFolder", "Found", "each_cars", "open_folder", "sum_up"]
