"""Questions to the DNS, for every daemon: asynchronous, cached, with limits of time and size."""
