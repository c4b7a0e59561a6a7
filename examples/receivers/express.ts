// Receive Ringback's deliveries with Express.
//
//   npm install express @ringback/client
//   SECRET=whsec_... node express.ts [PORT]

import { receive } from '@ringback/client';
import { nodeHandler } from '@ringback/client/node';
import express from 'express';

const receiver = receive({
  secret: process.env['SECRET'],
  onEvent(event) {
    console.log(`handled ${event.type} ${event.id}`);
  },
});

const app = express();

// Before express.json(): what is signed are the bytes, and a parser keeps none of them.
app.post('/hook', nodeHandler(receiver));

app.use(express.json());
app.post('/echo', (request, response) => {
  response.json(request.body);
});

const server = app.listen(Number(process.argv[2] ?? 3000), '127.0.0.1', () => {
  const address = server.address();
  if (typeof address === 'object') console.log(`listening on http://127.0.0.1:${address?.port}/hook`);
});
