// Receive Ringback's deliveries with a route handler of Next.js: this file is app/hook/route.ts, and
// the destination's URL is https://YOUR-SITE/hook. A receiver is a route handler.
//
//   npm install @ringback/client

import { receive } from '@ringback/client';

export const POST = receive({
  // A function, since `next build` loads this file without the secrets of production.
  secret: () => process.env['SECRET'],
  onEvent(event) {
    console.log(`handled ${event.type} ${event.id}`);
  },
  // Each instance has a memory of its own. Share one: @ringback/client/postgres or /redis.
});
