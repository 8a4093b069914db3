"""Ground floor: errors, languages, settings, paths, SQLite, assets. Imports nothing above it."""
