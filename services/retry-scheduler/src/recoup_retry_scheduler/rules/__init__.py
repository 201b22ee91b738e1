"""What card networks forbid: pure, decided from facts and an instant that is an argument."""
