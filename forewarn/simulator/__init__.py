"""A simulated fleet: cars that live, age and break, and what they would have sent.

draws and faults say who, what and what breaks · habits, usage, driving, pack, cells, insulation, lv_battery, tyres,
brakes, engine and drive_unit are the physics, joined by block · lamps say when the car itself complains · readings,
observation and network are what is seen of it · messages, files and into_store are the ways out, filed reads files
back · piles and charging are the stations · truth is kept apart.
"""

from forewarn.simulator.fleet import Fleet, FleetPlan, SimulatedVehicle, simulate_fleet
from forewarn.simulator.messages import messages
from forewarn.simulator.sampling import Sampling

__all__ = ["Fleet", "FleetPlan", "Sampling", "SimulatedVehicle", "messages", "simulate_fleet"]
