"""What aiokafka is told of a connection that is lost, on the event loop that services run on."""

import asyncio

import pytest
import uvloop
from aiokafka.conn import AIOKafkaConnection
from aiokafka.errors import KafkaConnectionError
from aiokafka.protocol.metadata import MetadataRequest

from recoup_chassis import lost_connections


async def _send_on_a_transport_that_is_closed() -> bool:
    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async with await asyncio.start_server(listen, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        connection = AIOKafkaConnection("127.0.0.1", port)
        connection._reader, connection._writer = reader, writer
        connection._versions = {3: (0, 1)}
        connection._read_task = asyncio.create_task(asyncio.sleep(0))
        writer.transport.abort()
        await asyncio.sleep(0.05)
        with pytest.raises(KafkaConnectionError, match="is lost"):
            await connection.send(MetadataRequest([]))
        return not connection.connected()


def test_a_write_to_a_lost_connection_is_an_error_that_the_library_knows() -> None:
    lost_connections.tell_in_kafkas_words()
    assert uvloop.run(_send_on_a_transport_that_is_closed())
