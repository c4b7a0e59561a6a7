// Receive Ringback's deliveries with a Cloudflare Worker. The same module shape works on Deno
// (`deno serve`) and Bun.
//
//   npm install @ringback/client
//   npx wrangler secret put SECRET
//   npx wrangler deploy worker.ts

import { ringback, receive, type Receiver } from '@ringback/client/lean';

interface Environment {
  readonly SECRET: string;
}

let receiver: Receiver | undefined;

export default {
  async fetch(request: Request, environment: Environment): Promise<Response> {
    if (new URL(request.url).pathname !== '/hook') return new Response('not here', { status: 404 });
    // Secrets come with the first request.
    receiver ??= receive({
      provider: ringback,
      secret: environment.SECRET,
      onEvent(event) {
        console.log(`handled ${event.type} ${event.id}`);
      },
      // Each isolate has a memory of its own. Share one through Redis over HTTP, or a store of your own
      // on a Durable Object: four methods, see the type IdempotencyStore.
    });
    return receiver(request);
  },
};
