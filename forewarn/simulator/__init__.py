"""A simulated fleet: cars that live, age and break, and what they would have sent.

fleet draws who and what · usage, climate, pack, lv_battery, tyres and drivetrain are the physics · sampling, readings
and network are what is seen of it · messages is what is published · truth is kept apart.
"""

from forewarn.simulator.fleet import Fleet, SimulatedVehicle, simulate_fleet
from forewarn.simulator.messages import messages

__all__ = ["Fleet", "SimulatedVehicle", "messages", "simulate_fleet"]
