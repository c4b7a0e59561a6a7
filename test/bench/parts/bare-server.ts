import { createServer } from 'node:http';

/** The floor that everything is compared with: reads the body, answers, does nothing else. */
const status = Number(process.env['STATUS'] ?? 202);
const server = createServer((request, response) => {
  const chunks: Buffer[] = [];
  request.on('data', (chunk: Buffer) => chunks.push(chunk));
  request.on('end', () => {
    Buffer.concat(chunks);
    response.writeHead(status, { 'content-type': 'application/json' });
    response.end('{"id":"evt_00000000000000000000000000","duplicate":false}');
  });
});
server.listen(0, '127.0.0.1', () => {
  const address = server.address();
  process.stdout.write(`${typeof address === 'object' ? address?.port : ''}\n`);
});
