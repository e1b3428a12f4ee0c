"""Everything that is remembered: jobs, measurements, artifacts, in SQLite or PostgreSQL."""
