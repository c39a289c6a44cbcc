"""How many fsyncs a message costs: strace over the whole tree while messages come in."""

import signal
import subprocess
import sys
import time

from bench.processes import tree
from bench.rivals import SHARED
from peers.house import House

MESSAGES = 200
CALLS = "fsync,fdatasync,sync_file_range"
ATTACH = 2.0  # seconds until strace holds every thread


def report(house: House) -> None:
    """Print a line for one connection and one for many."""
    print("\n### fsyncs a message, one recipient\n\n| connections | fsyncs |\n| --- | --- |")
    for connections in (1, 10, 50):
        print(f"| {connections} | {count(house, connections) / MESSAGES:.2f} |", flush=True)


def count(house: House, connections: int) -> int:
    """The calls of all processes while MESSAGES messages are taken and become visible."""
    log = house.root.parent / "strace.log"
    pids = [word for process in tree(house.pid) for word in ("-p", str(process.pid))]
    tracing = ["strace", "-f", "-qq", "-o", str(log), "-e", f"trace={CALLS}", *pids]
    bench = [sys.executable, str(SHARED / "bench.py"), "--peer", str(house.root / "peer.json")]
    load = ["smtp-in", "--n", str(MESSAGES), "--conns", str(connections), "--warmup", "0", "--keep"]
    tracer = subprocess.Popen(tracing)
    try:
        time.sleep(ATTACH)
        subprocess.run(bench + load, check=True, stdout=subprocess.DEVNULL)
    finally:
        tracer.send_signal(signal.SIGINT)
        tracer.wait()
    calls = log.read_text().splitlines()
    return sum("sync" in line and "resumed" not in line for line in calls)
