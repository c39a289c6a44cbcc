"""Who sent a message, by SPF, DKIM, DMARC, ARC and reverse DNS: rules without sockets or clocks.

What must be asked of the DNS is handed in as a function (look_ups.py), so that each rule can be
held against a table of records.
"""
