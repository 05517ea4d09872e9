"""Ask the operator's Service until a replica says that it is ready, for a minute. Run by `helm test`."""

import sys
import time
import urllib.error
import urllib.request

url, within = sys.argv[1], float(sys.argv[2]) if len(sys.argv) > 2 else 60.0
direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
end = time.monotonic() + within
while True:
    try:
        with direct.open(url, timeout=5) as answer:
            print(f"{url} answered {answer.status}: {answer.read(200).decode(errors='replace').strip()}")
            sys.exit(0)
    except (urllib.error.URLError, OSError) as error:
        if time.monotonic() >= end:
            sys.exit(f"{url} was not ready within {within:.0f} s: {error}. See the log of the operator's pods.")
    time.sleep(1)
