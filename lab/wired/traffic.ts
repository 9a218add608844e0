/**
 * Traffic between two namespaces, as a program of its own: `sink` counts datagrams and tells the time of each on a line,
 * and answers them; `source` sends one every few milliseconds and tells the time of each answer. `connect` tries a TCP port.
 */
import { createSocket } from 'node:dgram'
import { connect, createServer } from 'node:net'

const [mode = '', address = '', port = '0', interval = '5'] = process.argv.slice(2)

if (mode === 'sink') {
  const socket = createSocket('udp4')
  socket.on('message', (datagram, from) => {
    process.stdout.write(`${performance.timeOrigin + performance.now()} ${datagram.toString()}\n`)
    socket.send(datagram, from.port, from.address)
  })
  socket.bind(Number(port), address, () => process.stdout.write('ready\n'))
  createServer(peer => {
    peer.on('error', () => {})
    peer.pipe(peer)
  }).listen(Number(port), address)
} else if (mode === 'source') {
  const socket = createSocket('udp4')
  let sent = 0
  socket.on('message', datagram => {
    process.stdout.write(`${performance.timeOrigin + performance.now()} ${datagram.toString()}\n`)
  })
  socket.on('error', () => {})
  socket.bind(() => {
    setInterval(() => socket.send(String(++sent), Number(port), address, () => {}), Number(interval))
  })
} else {
  const socket = connect({ host: address, port: Number(port) })
  const end = (word: string) => {
    process.stdout.write(`${word}\n`)
    process.exit(0)
  }
  socket.on('connect', () => end('open'))
  socket.on('error', () => end('refused'))
  socket.setTimeout(1000, () => end('silent'))
}
