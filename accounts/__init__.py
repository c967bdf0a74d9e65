"""Who: organizations, people, roles and tokens. Stands above every other app and imports none."""
