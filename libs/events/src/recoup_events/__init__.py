"""The contract: event models, topics and value types that all of Recoup speaks."""
