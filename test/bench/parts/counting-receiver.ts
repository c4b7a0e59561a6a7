import { createServer } from 'node:http';

/** Counts attempts; `GET /` tells how many there were, how many different ones, and how many came again. */
const seen = new Map<string, number>();
let attempts = 0;
const server = createServer((request, response) => {
  if (request.method === 'GET') {
    const repeated = [...seen.values()].filter((times) => times > 1).length;
    response.end(JSON.stringify({ attempts, different: seen.size, repeated }));
    return;
  }
  attempts += 1;
  const attempt = `${String(request.headers['ringback-delivery'])} ${String(request.headers['ringback-attempt'])}`;
  seen.set(attempt, (seen.get(attempt) ?? 0) + 1);
  request.resume();
  request.on('end', () => response.end());
});
server.listen(0, '127.0.0.1', () => {
  const address = server.address();
  process.stdout.write(`${typeof address === 'object' ? address?.port : ''}\n`);
});
