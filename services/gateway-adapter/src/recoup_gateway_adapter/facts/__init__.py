"""From what a gateway said to what happened: translate, join, remember, tell once."""
