// Receive Ringback's deliveries with Fastify.
//
//   npm install fastify @ringback/client
//   SECRET=whsec_... node fastify.ts [PORT]

import { receive } from '@ringback/client';
import { fastifyReceiver } from '@ringback/client/fastify';
import { fastify } from 'fastify';

const receiver = receive({
  secret: process.env['SECRET'],
  onEvent(event) {
    console.log(`handled ${event.type} ${event.id}`);
  },
});

const app = fastify();

// Inside this plugin bodies stay bytes. Everywhere else JSON is parsed as usual.
app.register(fastifyReceiver(receiver), { url: '/hook' });

app.post('/echo', (request) => request.body);

const address = await app.listen({ port: Number(process.argv[2] ?? 3000), host: '127.0.0.1' });
console.log(`listening on ${address}/hook`);
