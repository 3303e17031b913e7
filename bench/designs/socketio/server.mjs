// Socket.IO with its PostgreSQL adapter: what somebody outside Python would take instead.
import { createServer } from 'node:http'
import { createAdapter } from '@socket.io/postgres-adapter'
import pg from 'pg'
import { Server } from 'socket.io'

const pool = new pg.Pool({ connectionString: process.env.DSN, max: 6 })
await pool.query(
  'CREATE TABLE IF NOT EXISTS socket_io_attachments (id bigserial UNIQUE, created_at timestamptz DEFAULT NOW(), payload bytea)',
)
const http = createServer()
// WebSocket only, as a client that knows the server would ask for it; no compression is the default.
const io = new Server(http, { transports: ['websocket'], pingInterval: 120_000 })
io.adapter(createAdapter(pool))
io.on('connection', (socket) => {
  const room = socket.handshake.query.room
  socket.join(room)
  socket.on('message', (text) => {
    io.to(room).emit('message', { user: { id: 1, username: 'alice' }, message: text })
  })
  socket.emit('ready')
})
http.listen(Number(process.env.PORT), '127.0.0.1')
