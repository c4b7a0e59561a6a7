import { createServer } from 'node:http';

/** Notes when each webhook arrives; `GET /arrivals` gives them back as [webhook-id, epoch ms]. */
const arrivals = new Map<string, number>();
const server = createServer((request, response) => {
  if (request.method === 'GET') {
    response.end(JSON.stringify([...arrivals]));
    return;
  }
  const id = request.headers['webhook-id'];
  if (typeof id === 'string' && !arrivals.has(id))
    arrivals.set(id, performance.timeOrigin + performance.now());
  request.resume();
  request.on('end', () => response.end());
});
server.listen(0, '127.0.0.1', () => {
  const address = server.address();
  process.stdout.write(`${typeof address === 'object' ? address?.port : ''}\n`);
});
