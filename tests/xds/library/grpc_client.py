"""A program that reaches a service by gRPC's own xDS client, and knows nothing else about it.

For each line that it reads it calls the service once and prints the answer. The bootstrap comes with the environment, as
gRPC wants it, which is why this is a process of its own.
"""

import asyncio
import sys

import grpc


async def main(target: str) -> None:
    """Answer each line of stdin with a call's answer, until there are no more."""
    async with grpc.aio.insecure_channel(target) as channel:
        call = channel.unary_unary("/test.Service/WhoAreYou")
        for _ in iter(sys.stdin.readline, ""):
            answer: bytes = await call(b"", timeout=20, wait_for_ready=True)
            print(answer.decode(), flush=True)  # noqa: T201 — this is how it answers


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
