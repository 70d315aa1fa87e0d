"""GB/T 32960.3 frames of 2016 and 2025: bytes to values, to signals, to alarms, and back. Pure: no clock, no I/O.

Source: GB/T 32960.3-2016 and GB/T 32960.3-2025. Where the texts are silent or public decoders differ, the class or
constant concerned says which reading was taken and on whose word.
"""

from ingest.gbt32960.alarms import ALARMS, LAMPS, Lamp, alarm_events, lamp_states
from ingest.gbt32960.frame import Command, Frame, Login, Logout, Realtime, decode_frame, encode_frame
from ingest.gbt32960.rejected import IGNORABLE_REASONS, REASONS, FrameRejected, NotEncodable
from ingest.gbt32960.replay import RESOLUTION, from_signals
from ingest.gbt32960.signals import Signals, SignalValue, to_signals

__all__ = [
    "ALARMS",
    "IGNORABLE_REASONS",
    "LAMPS",
    "REASONS",
    "RESOLUTION",
    "Command",
    "Frame",
    "FrameRejected",
    "Lamp",
    "Login",
    "Logout",
    "NotEncodable",
    "Realtime",
    "SignalValue",
    "Signals",
    "alarm_events",
    "decode_frame",
    "encode_frame",
    "from_signals",
    "lamp_states",
    "to_signals",
]
