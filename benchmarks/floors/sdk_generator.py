"""What a user of sageintacctrestsdk 1.9.0 writes to read all bills: a loop over its generator.

Runs in that client's own environment (tests/foreign), where neither tieout nor a database is installed: prints each
page as a line of JSON. The client is unmodified but for its base URL, which it keeps in a constant that its modules
import.
"""

import json
import sys

import intacctsdk


def main() -> None:
    base_url, fields = sys.argv[1], sys.argv[2].split(",")
    for name, module in list(sys.modules.items()):
        if name.startswith("intacctsdk") and hasattr(module, "BASE_URL"):
            module.BASE_URL = base_url
    client = intacctsdk.IntacctRESTSDK(username="admin@demo", client_id="demo-client", client_secret="demo-secret")
    for rows in client.bills.get_all_generator(fields, order_by=[{"key": "asc"}]):
        print(json.dumps(rows), flush=True)


if __name__ == "__main__":
    main()
