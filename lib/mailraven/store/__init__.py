"""Maildirs with UIDs: every mailbox is a folder of message files, a text journal and a cache."""
