"""How a recovery case lives: pure, with the clock as an argument."""
