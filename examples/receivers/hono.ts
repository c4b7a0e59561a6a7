// Receive Ringback's deliveries with Hono. A receiver takes the Web-standard request that Hono works
// with, so there is nothing between them, on any runtime that Hono runs on.
//
//   npm install hono @hono/node-server @ringback/client
//   SECRET=whsec_... node hono.ts [PORT]

import { serve } from '@hono/node-server';
import { receive } from '@ringback/client';
import { Hono } from 'hono';

const receiver = receive({
  secret: process.env['SECRET'],
  onEvent(event) {
    console.log(`handled ${event.type} ${event.id}`);
  },
});

const app = new Hono();

// No middleware in front of this route may read the body: what is signed are its bytes.
app.post('/hook', (context) => receiver(context.req.raw));

app.post('/echo', async (context) => context.json(await context.req.json()));

serve({ fetch: app.fetch, port: Number(process.argv[2] ?? 3000), hostname: '127.0.0.1' }, ({ port }) => {
  console.log(`listening on http://127.0.0.1:${port}/hook`);
});
