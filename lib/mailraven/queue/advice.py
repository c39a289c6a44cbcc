"""What an operator can make of an answer: whose matter it is, and what helps. Pure.

Each rule is a pattern for "STAGE STATUS TEXT" of an answer, with "-" where there is no enhanced
status; the first that fits speaks. Words of strangers are guesses, so codes go before them where
RFC 3463 has one.
"""

import re
from collections.abc import Sequence

from mailraven.queue.entry import Answer

Rule = tuple[re.Pattern[str], str]


def _rules(rows: Sequence[tuple[str, str]]) -> tuple[Rule, ...]:
    return tuple((re.compile(pattern, re.IGNORECASE), words) for pattern, words in rows)


_AGAIN = "It is tried again by itself."
_POLICY = (
    "Theirs to mend: tell their postmaster. Until then nothing is sent; queue.tls can set the"
    " policy aside for that domain, and then anybody on the way may read its mail."
)

# What a sender can act on, too, and therefore reads in a bounce.
NO_DOMAIN = (
    "There is no such domain: most likely a slip of the pen. Only the sender can correct it."
)
NO_MAIL = "That domain says that it takes no mail at all. The address is wrong."
NO_MAILBOX = (
    "There is no such mailbox: a slip of the pen, or somebody who left. Only the sender can"
    " correct it."
)
FULL = "The recipient's mailbox is full, and only they can make room."
TOO_LARGE = (
    "The message is larger than that server takes. Its sender can send less at a time, or a link."
)
NOT_ASCII = (
    "An address or a header field has letters beyond ASCII, which that server cannot take. Its"
    " sender needs an ASCII address of the recipient."
)
TLS_ALL_THE_WAY = (
    "The sender demands TLS all the way, and that cannot be had there. Sent without that demand,"
    " the message may pass."
)
_FOR_SENDERS = frozenset(
    {NO_DOMAIN, NO_MAIL, NO_MAILBOX, FULL, TOO_LARGE, NOT_ASCII, TLS_ALL_THE_WAY}
)

# What we say ourselves, because no answer came or none was asked for.
_OWN = _rules(
    [
        (
            r"^suppression ",
            "The server of the recipient has said that there is no such mailbox. If there is one by"
            " now, `mailraven suppression remove` lets mail go there again.",
        ),
        (
            r"^routing .*queue\.smarthosts has no",
            "A domain or an account names a smarthost that is not configured;"
            " `mailraven config check` says which. Its mail waits until one of the two is right.",
        ),
        (
            r"the way that is configured, has no address",
            "queue.routes, queue.smarthost or queue.smarthosts names a host that the DNS has no"
            " address of, or our name servers are wrong (dns.resolvers). Its mail waits until that"
            " is mended.",
        ),
        (
            r"queue\.families says",
            "Their host has no address of the family that queue.families allows for that domain.",
        ),
        (
            r"^AUTH 4\.3\.5 ",
            "queued cannot read the password of the smarthost: look at owner, mode and content of"
            " its password_file, which the log names.",
        ),
        (
            r"^AUTH .*(proof of its own|cannot prove)",
            "The smarthost does not know our password, yet lets us in: most likely it is not the"
            " host that we mean.",
        ),
        (
            r"^connect .*refused",
            "Nothing listens there: their mail server is down, or a firewall says no for it."
            " Theirs to mend. " + _AGAIN,
        ),
        (
            r"^connect .*timed out",
            "Their host is down, or a firewall drops what we send. If every destination does this,"
            " our own provider blocks port 25: have it opened, or use a smarthost. " + _AGAIN,
        ),
        (
            r"^connect .*(unreachable|no route|cannot assign)",
            "This machine has no way there: look at its addresses and routes, at"
            " queue.source_addresses and, where only IPv6 fails, at queue.families. " + _AGAIN,
        ),
        (
            r"5\.1\.2 .*does not exist",
            NO_DOMAIN,
        ),
        (
            r"5\.1\.10 ",
            NO_MAIL,
        ),
        (
            r"5\.4\.6 ",
            "Its DNS says that we take its mail, but it is no domain of ours: add it"
            " (mailraven domain add), or its owner corrects the MX records.",
        ),
        (
            r"5\.4\.4 ",
            "Its DNS names mail hosts without an address. Only its owner can correct that.",
        ),
        (
            r"DANE of .*(name servers? |DNS)",
            "Whether their server has a key in the DNS could not be found out, and without that"
            " nothing is sent. Their name servers or ours fail. " + _AGAIN,
        ),
        (
            r" 4\.4\.3 ",
            "Name servers fail: theirs, or, if other domains cannot be found either, ours"
            " (dns.resolvers). " + _AGAIN,
        ),
        (
            r"DANE of |TLSA records",
            "Their TLSA records in the DNS and the certificate of their server do not belong"
            " together: an old record, or somebody in between. " + _POLICY,
        ),
        (
            r"MTA-STS of .*|is no host of the policy",
            "Their MTA-STS policy demands what their mail server does not do: an expired or wrong"
            " certificate, an old policy, or somebody in between. " + _POLICY,
        ),
        (
            r"4\.7\.[45] .*TLS",
            "Our configuration demands TLS there (queue.tls, or the password of a smarthost), and"
            " it is not to be had. Ask them for it, or demand less.",
        ),
        (
            r"^disk ",
            "Our own disk does not give the message: look at the file and at the log.",
        ),
        (
            r"4\.4\.2 not an SMTP reply|4\.4\.2 (unexpected|reply too)",
            "What listens there is no mail server, or a broken one. Is it the right host and port"
            " (MX records, queue.routes)? " + _AGAIN,
        ),
        (
            r"4\.4\.2 timed out",
            "Their server took the connection and then fell silent: overloaded, or slow to"
            " strangers on purpose. " + _AGAIN,
        ),
        (
            r"4\.4\.2 ",
            "Their server hung up without a word: overloaded, restarted, or it does not want us. "
            + _AGAIN,
        ),
        (
            r" 5\.3\.4 ",
            TOO_LARGE,
        ),
        (
            r" 5\.6\.7 ",
            NOT_ASCII,
        ),
        (
            r" 5\.7\.30 ",
            TLS_ALL_THE_WAY,
        ),
    ]
)

# What the other side says.
_THEIRS = _rules(
    [
        (
            r"gr[ae]y.?list",
            "Greylisting: strangers are to come back a little later, and this is done by itself.",
        ),
        (
            r"^[A-Z ]+ \S+ 530 ",
            "That server wants a log-in or TLS before it takes mail: look at the user of the"
            " smarthost and at queue.tls. " + _AGAIN,
        ),
        (
            r"^AUTH | 5\.7\.8 ",
            "The smarthost does not take our user or password: look at those of the configuration.",
        ),
        (
            r" [45]\.7\.2[0-79] |\b(spf|dkim|dmarc|ptr|reverse dns|rdns)\b",
            "They do not believe that we are who we say. Compare what DNS has for the sender's"
            " domain with `mailraven domain dns`, and the PTR record of our address with its name.",
        ),
        (
            r"block.?list|black.?list|spamhaus|\b(dnsbl|rbl|blocked|listed|reputation)\b",
            "Our address is on a block list, or has a bad name there. See what was sent from here,"
            " stop what should not be, then ask for removal where the answer says.",
        ),
        (
            r"4\.7\.28 |rate.?limit|too (many|much)|throttl|exceeded .*(rate|limit)",
            "They take less from us than we send. The rest follows by itself, more slowly.",
        ),
        (
            r" [45]\.2\.2 |mailbox (is )?full|over quota",
            FULL,
        ),
        (
            r" [45]\.(3\.4|2\.3) | - 552 ",
            TOO_LARGE,
        ),
        (
            r" [45]\.1\.[78] ",
            "They do not accept the sender's address: does its domain have MX records in the"
            " public DNS, and does the address exist?",
        ),
        (
            r" 5\.1\.\d+ |user unknown|no such (user|recipient|mailbox)|unknown (user|recipient)",
            NO_MAILBOX,
        ),
        (
            r" [45]\.2\.1 ",
            "The mailbox exists, but is switched off. Only their postmaster can say why.",
        ),
        (
            r" [45]\.7\.\d+ ",
            "Refused by a rule of theirs. Their answer is all that we know; their postmaster"
            " knows more.",
        ),
        (
            r" - 4| 4\.\d+\.\d+ ",
            "They cannot, or do not want to, take it now. " + _AGAIN,
        ),
    ]
)


def advice(answer: Answer) -> str:
    """A sentence or two; "" when the answer says all that is known."""
    subject = f"{answer.stage} {answer.enhanced_status or '-'} {answer.text}"
    rules = _THEIRS if answer.heard else _OWN
    return next((words for pattern, words in rules if pattern.search(subject)), "")


def advice_for_sender(answer: Answer) -> str:
    """The same for the author of a message: only what concerns them."""
    words = advice(answer)
    return words if words in _FOR_SENDERS else ""
