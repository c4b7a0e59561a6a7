import { createServer } from 'node:http';

/** Takes every request and never answers. */
const server = createServer((request) => {
  request.resume();
});
server.requestTimeout = 0;
server.listen(0, '127.0.0.1', () => {
  const address = server.address();
  process.stdout.write(`${typeof address === 'object' ? address?.port : ''}\n`);
});
