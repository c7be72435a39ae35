"""The client: `Client` and `AsyncClient` send calls, which `api.client.calls` makes; see docs.

Nothing here knows the application's inside: the bodies of the API are all that they share.
"""

from api.client.answers import ApiProblem, NoAnswer, NotOurs
from api.client.asynchronous import AsyncClient
from api.client.blocking import Client
from api.client.call import Call
from api.client.patience import Patience

__all__ = ["ApiProblem", "AsyncClient", "Call", "Client", "NoAnswer", "NotOurs", "Patience"]
