// A receiver of webhooks: verifies each request as Standard Webhooks 1.0.0 says, prints it and answers
// 204; an event that comes again is answered and not handled twice. For web frameworks see the folder
// receivers.
//
//   SECRET=whsec_... node examples/receiver.ts [PORT]

import { createServer } from 'node:http';
import { receive } from '@ringback/client';
import { nodeHandler } from '@ringback/client/node';

const secret = process.env['SECRET'] ?? '';
const port = Number(process.argv[2] ?? 3000);

if (secret === '') {
  console.error('set SECRET to the signing secret of the destination, whsec_...');
  process.exit(1);
}

const receiver = receive({
  secret,
  onEvent(event) {
    console.log(
      `verified: ${event.type} ${event.id}, attempt ${event.attempt}: ${event.text().slice(0, 200)}`,
    );
  },
  onRefused: ({ code }) => console.log(`refused: ${code}`),
});

const server = createServer(nodeHandler(receiver));
server.listen(port, '127.0.0.1', () => {
  const address = server.address();
  const listensOn = typeof address === 'object' ? address?.port : port;
  console.log(`receiver listens on http://127.0.0.1:${listensOn}/hook`);
});
