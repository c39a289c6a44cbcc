"""Short exchanges over HTTPS with strangers: no redirects, bounded in time and size."""
