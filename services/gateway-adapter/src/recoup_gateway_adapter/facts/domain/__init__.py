"""What a gateway said becomes what happened; pure, and the same in whatever order it was said."""
