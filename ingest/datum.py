"""Coordinates of Chinese maps to WGS-84, in which everything is stored.

Source: the published inverse of the GCJ-02 offset on the Krasovsky 1940 ellipsoid; outside China there is no offset.
"""

from math import cos, pi, radians, sin, sqrt

_A = 6_378_245.0
_EE = 0.006_693_421_622_965_943


def gcj02_to_wgs84(latitude: float, longitude: float) -> tuple[float, float]:
    """Return WGS-84 degrees for GCJ-02 degrees, within a centimetre or so."""
    if not (0.8293 <= latitude <= 55.8271 and 72.004 <= longitude <= 137.8347):
        return latitude, longitude
    north, east = latitude, longitude
    # The offset is known in the other direction; it changes so little that three rounds settle it.
    for _ in range(3):
        d_north, d_east = _offset(north, east)
        north, east = latitude - d_north, longitude - d_east
    return north, east


def _offset(latitude: float, longitude: float) -> tuple[float, float]:
    x, y = longitude - 105.0, latitude - 35.0
    common = (20 * sin(6 * x * pi) + 20 * sin(2 * x * pi)) * 2 / 3 + sqrt(abs(x)) * 0.1
    d_north = -100 + 2 * x + 3 * y + 0.2 * y * y + 0.1 * x * y + sqrt(abs(x)) * 0.1 + common
    d_north += (20 * sin(y * pi) + 40 * sin(y / 3 * pi)) * 2 / 3
    d_north += (160 * sin(y / 12 * pi) + 320 * sin(y * pi / 30)) * 2 / 3
    d_east = 300 + x + 2 * y + 0.1 * x * x + 0.1 * x * y + common
    d_east += (20 * sin(x * pi) + 40 * sin(x / 3 * pi)) * 2 / 3
    d_east += (150 * sin(x / 12 * pi) + 300 * sin(x / 30 * pi)) * 2 / 3
    curvature = 1 - _EE * sin(radians(latitude)) ** 2
    north = d_north * 180 / (_A * (1 - _EE) / (curvature * sqrt(curvature)) * pi)
    east = d_east * 180 / (_A / sqrt(curvature) * cos(radians(latitude)) * pi)
    return north, east
