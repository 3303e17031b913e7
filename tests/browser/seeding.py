"""Fills a chat with history: over sockets from the page, as a client would."""

from __future__ import annotations

import uuid

from person import Person

# Below what the server takes of one socket: 200 frames a second, 1000 at once. Each chunk waits
# until all of it is acknowledged.
CHUNK = 500

FILL = """
async ({uri, token, from, ids, chunk}) => {
  const address = new URL(`/ws/chats/${uri}/`, location.href)
  address.protocol = address.protocol.replace('http', 'ws')
  const socket = new WebSocket(address, ['chatire', `jwt.${token}`])
  let wake = () => {}
  let failed = null
  const unacknowledged = new Map()
  const say = (message, client_id) => {
    const frame = JSON.stringify({type: 'message', message, client_id})
    unacknowledged.set(client_id, frame)
    socket.send(frame)
  }
  socket.onmessage = ({data}) => {
    if (data.startsWith('{"type":"error"')) {
      const {client_id, code, detail} = JSON.parse(data)
      // It is the same message by its `client_id`.
      if (code === 'unavailable') setTimeout(() => socket.send(unacknowledged.get(client_id)), 500)
      else failed = new Error(detail)
    } else if (data.startsWith('{"type":"ack"')) {
      unacknowledged.delete(JSON.parse(data).client_id)
    } else {
      return
    }
    wake()
  }
  await new Promise((resolve, reject) => {
    socket.onopen = resolve
    socket.onerror = () => reject(new Error('the socket did not open'))
  })
  socket.onclose = ({code}) => { failed = new Error(`closed with ${code}`); wake() }
  for (let sent = 0; sent < ids.length;) {
    const last = Math.min(ids.length, sent + chunk)
    for (; sent < last; sent += 1) {
      say(`line ${from + sent} ` + 'of a long talk, '.repeat(1 + (sent * 7) % 5), ids[sent])
    }
    while (unacknowledged.size > 0) {
      if (failed) throw failed
      await new Promise((resolve) => { wake = resolve })
    }
    // The bucket of allowed frames fills again.
    await new Promise((resolve) => setTimeout(resolve, chunk * 4))
  }
  socket.onclose = null
  socket.close()
}
"""


def fill(person: Person, path: str, count: int, sockets: int = 4) -> None:
    """Writes `count` messages into the chat at `path`, over several sockets at once."""
    uri = path.rsplit("/", 1)[1]
    token = person.token()
    share, rest = divmod(count, sockets)
    parts = [
        {
            "uri": uri,
            "token": token,
            "from": index * share,
            "ids": [str(uuid.uuid4()) for _ in range(share + (rest if index == 0 else 0))],
            "chunk": CHUNK,
        }
        for index in range(sockets)
    ]
    person.page.evaluate(
        f"async parts => {{ await Promise.all(parts.map({FILL.strip()})) }}", parts
    )
