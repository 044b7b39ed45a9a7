"""The page's demo: signer and viewer in processes of their own, until Ctrl-C."""

from __future__ import annotations

import argparse
import sys
import time

from text2sign_ros.child import start_node, start_signer
from text2sign_ros.errors import Text2SignError
from text2sign_ros.ros import environment


def main() -> int:
    """Run it; returns 0 after Ctrl-C, 1 after one line on stderr that says what is wrong."""
    parser = argparse.ArgumentParser(prog="make view", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1", help="address that the page is bound to (default: 127.0.0.1)")
    parser.add_argument("--port", type=int, default=8080, help="its port (default: 8080)")
    options = parser.parse_args()
    environment.complete()
    environment.keep_to_this_machine()
    try:
        with start_signer() as signer, start_node("viewer", host=options.host, port=options.port) as viewer:
            print(f"open http://{options.host}:{options.port} in a browser; Ctrl-C ends it", flush=True)
            while True:
                time.sleep(0.5)
                signer.check()
                viewer.check()
    except KeyboardInterrupt:
        return 0
    except (Text2SignError, OSError) as error:
        print(f"make view: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
