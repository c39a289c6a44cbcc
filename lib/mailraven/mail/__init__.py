"""What a message is made of: addresses, envelopes, headers, MIME, flags. Imports nothing of ours."""
