"""What a message is made of: addresses, envelopes, headers, MIME, flags. Imports no other room."""
