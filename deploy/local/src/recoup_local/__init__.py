"""Kafka, Postgres, the services and the demo on one machine, with no more than Python."""
