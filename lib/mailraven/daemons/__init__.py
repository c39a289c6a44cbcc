"""The processes: loops, listeners, TLS, signals, control sockets around the rooms below."""
