"""Alembic migrations: one history for PostgreSQL/PostGIS and SQLite."""
