"""The milter protocol, as the server speaks it to filters. Pure."""
