"""Spam filtering on disk: rule files, the shipped model, what accounts taught."""
