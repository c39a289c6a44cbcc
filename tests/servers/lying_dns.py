"""A name server that lies, by the first label of the name asked: about sizes, numbers, ids."""

import random
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import dns.flags
import dns.message

Answer = Callable[[bytes, dns.message.Message], list[bytes]]


def _edited(wire: bytes, answers: bytes, tail: bytes) -> bytes:
    """A response that promises so many answers, with `tail` at its end."""
    return wire[:6] + answers + wire[8:] + tail


def _response(query: dns.message.Message, *, cut_off: bool = False) -> bytes:
    response = dns.message.make_response(query)
    if cut_off:
        response.flags |= dns.flags.TC
    return response.to_wire()


TEXT_RECORD = b"\x00\x10\x00\x01\x00\x00\x00\x05"  # type, class, time to live
LIES: dict[str, Answer] = {
    "noise": lambda wire, _: [random.randbytes(500), wire[:2] + random.randbytes(500)],
    "others": lambda _, query: [bytes(2) + _response(query)[2:]] * 50,  # another's id
    "many": lambda _, query: [_edited(_response(query), b"\xff\xff", b"")],
    "long": lambda _, query: [
        _edited(_response(query), b"\0\1", b"\xc0\x0c" + TEXT_RECORD + b"\xff\xff" + b"." * 50)
    ],
    "loop": lambda _, query: [
        _edited(
            _response(query),
            b"\0\1",
            b"\xc0" + bytes([len(_response(query)) & 255]) + TEXT_RECORD + b"\0\1\0",
        )
    ],
    "unasked": lambda wire, _: [wire[:2] + b"\x81\x80" + bytes(8)],
    "stalled": lambda _, query: [_response(query, cut_off=True)],  # then by TCP: see below
    "short": lambda _, query: [_response(query, cut_off=True)],
}
BY_TCP = {"stalled": b"\xff\xff" + b"." * 100, "short": b"\0\0"}


@contextmanager
def lying_dns() -> Iterator[str]:
    """Its endpoint. It says nothing about names that are none of LIES."""
    udp, tcp = _both()
    with udp, tcp:
        port = udp.getsockname()[1]
        held: list[socket.socket] = []
        threads = [
            threading.Thread(target=_datagrams, args=(udp,), daemon=True),
            threading.Thread(target=_connections, args=(tcp, held), daemon=True),
        ]
        for thread in threads:
            thread.start()
        try:
            yield f"127.0.0.1:{port}"
        finally:
            for one in (udp, tcp, *held):
                with suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)


def _both() -> tuple[socket.socket, socket.socket]:
    """A port that is free for UDP and TCP."""
    while True:
        udp, tcp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM), socket.socket()
        try:
            udp.bind(("127.0.0.1", 0))
            tcp.bind(udp.getsockname())
        except OSError:  # somebody has the port for TCP
            udp.close()
            tcp.close()
            continue
        tcp.listen(50)
        return udp, tcp


def _lie(query: dns.message.Message) -> str:
    labels = query.question[0].name.to_text().lower().split(".")
    return next((label for label in labels if label in LIES), "")


def _datagrams(udp: socket.socket) -> None:
    with suppress(OSError):
        while True:
            wire, peer = udp.recvfrom(4096)
            if not wire:  # the end
                return
            query = dns.message.from_wire(wire)
            if lie := _lie(query):
                for answer in LIES[lie](wire, query):
                    udp.sendto(answer, peer)


def _connections(tcp: socket.socket, held: list[socket.socket]) -> None:
    with suppress(OSError):
        while True:
            connection, _ = tcp.accept()
            held.append(connection)  # said or not: it stays open
            with suppress(OSError):
                wire = connection.recv(4096)
                connection.sendall(BY_TCP[_lie(dns.message.from_wire(wire[2:]))])
