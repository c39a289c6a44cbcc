"""Small servers for tests: a name server, and mail servers that misbehave as told."""
