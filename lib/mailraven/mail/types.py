"""Numbers and names that must not be mixed up."""

from typing import NewType

Uid = NewType("Uid", int)  # 1 .. 2**32-1, never used twice in one mailbox. RFC 9051 §2.3.1.1
UidValidity = NewType("UidValidity", int)  # 1 .. 2**32-1
ModSeq = NewType("ModSeq", int)  # 1 .. 2**63-1. RFC 7162 §3.1
QueueId = NewType("QueueId", str)  # name of a spool entry; letters and digits only
TraceId = NewType("TraceId", str)  # follows one message through all daemons and log lines
