"""unshare --net python exim_verifies.py ROOT ADDRESS: have Exim take a message from "outside".

Exim asks name servers at port 53 only, so this happens in a network of its own, where ADDRESS:53 is
ours. Standard input is {"message": text, "to": address, "records": {name: text of TXT}}.
"""

import fcntl
import json
import socket
import struct
import subprocess
import sys
from pathlib import Path

from peers.exim import EXIM
from peers.patience import PATIENCE
from peers.root_folder import in_root
from servers.dns_server import Manners, Records, dns_thread

SIOCSIFFLAGS, IFF_UP = 0x8914, 1


def main() -> None:
    root, address = Path(sys.argv[1]), sys.argv[2]
    task = json.load(sys.stdin)
    with socket.socket() as sock:
        fcntl.ioctl(sock, SIOCSIFFLAGS, struct.pack("16sh", b"lo", IFF_UP))
    zone: dict[tuple[str, str], Records] = {
        (name, "TXT"): [" ".join(f'"{text[at : at + 200]}"' for at in range(0, len(text), 200))]
        for name, text in task["records"].items()
    }
    lines = task["message"].replace("\r\n", "\n").replace("\n.", "\n..").replace("\n", "\r\n")
    dialogue = (
        f"EHLO client.example\r\nMAIL FROM:<>\r\nRCPT TO:<{task['to']}>\r\nDATA\r\n"
        f"{lines}.\r\nQUIT\r\n"
    )
    with dns_thread(zone, Manners(address=address, port=53)):
        command = in_root(root, f"/{EXIM}", "-bs", "-oMa", "192.0.2.1")
        subprocess.run(command, input=dialogue.encode(), check=True, timeout=PATIENCE)


main()
