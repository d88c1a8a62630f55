"""Runs in the client's own environment, where tieout is not installed: performs its calls, one JSON line in, one out.

The client is unmodified but for its base URL, which it keeps in a constant that its modules import.
"""

import itertools
import json
import sys
import types

import intacctsdk

BASE_URL = sys.argv[1]
for name, module in list(sys.modules.items()):
    if name.startswith("intacctsdk") and hasattr(module, "BASE_URL"):
        module.BASE_URL = BASE_URL


def perform(request, clients):
    if request["do"] == "connect":
        clients[request["as"]] = client = intacctsdk.IntacctRESTSDK(**request["with"])
        return {"refresh_token": client.refresh_token, "access_token": client.access_token}
    if request["do"] == "apis":
        client = clients[request["as"]]
        return sorted(name for name, value in vars(client).items() if isinstance(value, intacctsdk.apis.ApiBase))
    api = getattr(clients[request["as"]], request["api"])
    result = getattr(api, request["do"])(*request["args"], **request["kwargs"])
    if isinstance(result, types.GeneratorType):
        result = list(itertools.chain.from_iterable(result))
    return result


clients = {}
for line in sys.stdin:
    try:
        answer = {"result": perform(json.loads(line), clients)}
    except intacctsdk.exceptions.IntacctRESTSDKError as error:
        answer = {"error": type(error).__name__, "message": error.message, "response": error.response}
    except Exception as error:  # noqa: BLE001 - what the client itself trips over is for the test to show
        answer = {"error": type(error).__name__, "message": str(error), "response": None}
    print(json.dumps(answer), flush=True)
