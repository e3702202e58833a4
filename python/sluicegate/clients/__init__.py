"""HTTP clients that keep to an exchange's limits: httpx, aiohttp and requests.

Each is a module of its own, which imports its client and no other:

- `sluicegate.clients.httpx`: `AsyncTransport` and `Transport`
- `sluicegate.clients.aiohttp`: `middleware`
- `sluicegate.clients.requests`: `Adapter`

Ids and weights are those of a `sluicegate.tables.Table`. A request waits until it may leave, and
each answer is listened to. The guide is `docs/clients.md`.
"""
