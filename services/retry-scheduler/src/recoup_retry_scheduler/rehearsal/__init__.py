"""The mind without a broker and a database: as a filter, and over past failures."""
