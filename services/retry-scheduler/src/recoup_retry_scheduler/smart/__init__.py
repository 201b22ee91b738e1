"""When a try would pass: odds that start from published evidence and are learnt from outcomes. Pure but for numpy."""
