"""moto and the gate before it as a process of their own: they are busy, and must not hold up the loop of their parent.

Prints its port, then serves until its standard input closes, which also happens when its parent dies.
"""

from __future__ import annotations

import logging
import sys
import threading

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import make_server

from .delegated import leave_policies_to_the_gate
from .gate import Gate


def main() -> None:
    logging.getLogger("werkzeug").setLevel(logging.CRITICAL)
    leave_policies_to_the_gate()
    gate = Gate(DomainDispatcherApplication(create_backend_app))
    server = make_server("127.0.0.1", int(sys.argv[1]), gate, threaded=True, request_handler=MotoRequestHandler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(server.server_port, flush=True)
    sys.stdin.read()
    server.shutdown()


if __name__ == "__main__":
    main()
