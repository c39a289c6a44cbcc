"""What is reported to the owners of domains: collected a day at a time."""
