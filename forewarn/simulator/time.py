"""What simulated time is counted in: seconds since the fleet began."""

DAY_S = 86400.0
# Cars drive by the clock of China.
CHINA_OFFSET_S = 8 * 3600
