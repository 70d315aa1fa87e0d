"""Charging stations and the cars that charge there: who plugs in, how it goes, what is wrong, and what is seen of it.

stations and sessions say who charges where, shape how real sessions are · pack, curve, runaway and heat are the
physics, dangers what goes wrong, happening how a session truly was · car, pile, codes and alarms are what is seen of
it · run puts one session together, traffic all of them, live one danger now · truth is kept apart.
"""

from forewarn.simulator.charging.run import Pace, SessionRun, run_session
from forewarn.simulator.charging.sessions import Visit
from forewarn.simulator.charging.traffic import Traffic, messages, simulate_charging

__all__ = ["Pace", "SessionRun", "Traffic", "Visit", "messages", "run_session", "simulate_charging"]
