"""What every service stands on: Kafka, inbox, outbox, quarantine, timers, clocks, tenancy, Postgres."""
