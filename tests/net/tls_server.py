"""TLS servers for tests: prints a port for each NAME:MODE, then serves each connection in a thread of its own.

usage: tls_server.py DIRECTORY NAME:MODE...
DIRECTORY has NAME.pem and NAME.key. MODE is one of
  echo      sends back what it gets, until the client closes
  bye       sends "* BYE\r\n", then ends TLS properly
  cut       sends "* BYE\r\n", then closes TCP without ending TLS
  swallow   reads and discards; when a line "done\n" comes, sends the number of bytes before it
  tls11     echo, at most TLS 1.1
"""
import socket
import ssl
import sys
import threading
import warnings

warnings.simplefilter("ignore", DeprecationWarning)  # Of old TLS, which a test wants.


def echo(conn):
    while data := conn.recv(65536):
        conn.sendall(data)


def swallow(conn):
    total, tail = 0, b""
    while data := conn.recv(65536):
        total += len(data)
        tail = (tail + data)[-5:]
        if tail == b"done\n":
            conn.sendall(b"%d\n" % (total - 5))


def serve(raw, context, mode):
    try:
        conn = context.wrap_socket(raw, server_side=True)
        if mode in ("bye", "cut"):
            conn.sendall(b"* BYE\r\n")
            if mode == "bye":
                conn.unwrap()
            conn.close()
        elif mode == "swallow":
            swallow(conn)
        else:
            echo(conn)
    except OSError:
        pass  # The client went away or refused us, which is what some tests want.


def accept(listener, context, mode):
    while True:
        raw, _ = listener.accept()
        threading.Thread(target=serve, args=(raw, context, mode), daemon=True).start()


def main():
    directory, specs = sys.argv[1], sys.argv[2:]
    threads, ports = [], []
    for spec in specs:
        name, mode = spec.split(":")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(f"{directory}/{name}.pem", f"{directory}/{name}.key")
        if mode == "tls11":
            context.set_ciphers("ALL:@SECLEVEL=0")
            context.minimum_version = ssl.TLSVersion.TLSv1
            context.maximum_version = ssl.TLSVersion.TLSv1_1
        listener = socket.create_server(("127.0.0.1", 0))
        ports.append(listener.getsockname()[1])
        threads.append(threading.Thread(target=accept, args=(listener, context, mode)))
    print(*ports, flush=True)
    for thread in threads:
        thread.start()


main()
