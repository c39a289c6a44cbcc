"""MailRaven: a complete mail server made of small daemons, Maildir folders and text files."""

__version__ = "0.1.0"
